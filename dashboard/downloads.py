"""What a visitor takes away: tables as files for programs and papers, charts as pictures and as a page of their own."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas
import plotly.graph_objects as go
import plotly.io
import streamlit as st
from language import t
from streamlit.delta_generator import DeltaGenerator

from aigc_core.serving.tables import TableRow, as_latex, as_markdown

PICTURE_SCALE = 3
"""Pixels of a saved PNG for one of the page's."""


def offer_table(
    place: DeltaGenerator,
    name: str,
    rows: Sequence[TableRow],
    figures: Sequence[str],
    records: Callable[[], list[dict[str, object]]],
    content: Callable[[], Mapping[str, object]],
) -> None:
    """Buttons that save a table: `records` as numbers, `rows` with the named figures for texts, `content` in JSON.

    The files are made when a button is clicked.
    """
    exports: dict[str, tuple[str, Callable[[], str | bytes]]] = {
        "CSV": ("csv", lambda: pandas.DataFrame(records()).to_csv(index=False)),
        "JSON": ("json", lambda: json.dumps(content(), indent=2)),
        "LaTeX": ("tex", lambda: as_latex(rows, figures)),
        "Markdown": ("md", lambda: as_markdown(rows, figures)),
        "Parquet": ("parquet", lambda: pandas.DataFrame(records()).to_parquet(index=False)),
    }
    for title, (suffix, make) in exports.items():
        place.download_button(
            title,
            make,
            f"{name}.{suffix}",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            key=f"{suffix}-{name}",
        )


class ChartSheet:
    """A page's charts: each has a button that saves it as a picture, and all of them are saved as a page of HTML."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._charts: dict[str, go.Figure] = {}

    def show(self, figure: go.Figure, key: str, **options: Any) -> None:
        """Show a chart; `options` are those of `st.plotly_chart`."""
        self._charts[key] = figure
        picture = {"format": st.session_state.get("picture", "png"), "filename": key, "scale": PICTURE_SCALE}
        config = {"displaylogo": False, "modeBarButtons": [["toImage"]], "toImageButtonOptions": picture}
        st.plotly_chart(figure, key=key, config=config, **options)

    def offer(self) -> None:
        """Below the charts: in which format their buttons save, and all of them as a file that opens offline."""
        if not self._charts:
            return
        row = st.container(horizontal=True, vertical_alignment="center")
        row.caption(t("The camera of a chart saves it as"), width="content")
        row.radio(
            t("Format of a chart's picture"),
            ["png", "svg"],
            horizontal=True,
            format_func=str.upper,
            key="picture",
            label_visibility="collapsed",
            width="content",
        )
        row.download_button(
            t("All charts as HTML"),
            lambda: charts_page([*self._charts.values()]),
            f"{self._name}.html",
            "text/html",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            key="charts",
        )


def charts_page(figures: Sequence[go.Figure]) -> str:
    """Charts as a page of HTML that holds all it needs."""
    parts = [
        plotly.io.to_html(
            go.Figure(figure).update_layout(template="plotly_white"),
            config={"displaylogo": False},
            include_plotlyjs=number == 0,
            full_html=False,
        )
        for number, figure in enumerate(figures)
    ]
    return f"<!doctype html><meta charset=utf-8><title>AIGC Studio</title>{''.join(parts)}"
