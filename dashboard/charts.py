"""The charts of all pages: one look, colours from the theme, and intervals in every hover text."""

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st
from language import t
from plotly.colors import hex_to_rgb, qualitative

from aigc_core.evaluation.results import FIGURES
from aigc_core.metrics.estimate import Estimate

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
GREY = "#868b9b"
"""Readable on bars and on both backgrounds."""


def colour(number: int) -> str:
    """The colour of the checkpoint of that number: those of the theme, in order."""
    colours = st.get_option("theme.chartCategoricalColors") or qualitative.Plotly
    return colours[number % len(colours)]


def title(name: str) -> str:
    """A figure's title with an arrow towards the better end."""
    kind = FIGURES[name]
    return f"{t(kind.title)} {kind.arrow}"


def hover(figure: Estimate) -> str:
    """Value and interval as hover text."""
    return f"<b>{figure.value:.4g}</b><br>95 %: {figure.low:.4g} … {figure.high:.4g}"


def chart(heading: str, height: int, **layout: object) -> go.Figure:
    """An empty chart in the common look: its heading on the left, room only where something stands."""
    top = {"t": 44 if heading else 12, "b": 12, "l": 8, "r": 12}
    figure = go.Figure(
        layout={
            "title": {"text": heading, "font": {"size": 15}, "x": 0, "xref": "container", "pad": {"l": 8}},
            "height": height,
            "margin": top,
            "showlegend": False,
            "hoverlabel": {"align": "left"},
            "dragmode": False,
            **layout,
        }
    )
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(automargin=True, zeroline=False, fixedrange=True, exponentformat="none")
    return figure


def whiskers(figures: Sequence[Estimate], paint: str = GREY) -> dict[str, object]:
    """Error bars from each figure's value to the ends of its interval."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [figure.high - figure.value for figure in figures],
        "arrayminus": [figure.value - figure.low for figure in figures],
        "thickness": 1.5,
        "width": 4,
        "color": paint,
    }


def intervals(name: str, figures: dict[int, Estimate], names: Sequence[str]) -> go.Figure:
    """A figure of several checkpoints as points with error bars, lettered and coloured by their number in `names`.

    The axis shows the intervals rather than zero, from which most figures are far away.
    """
    figure = chart(title(name), 74 + 34 * len(figures))
    for number, value in figures.items():
        figure.add_scatter(
            x=[value.value],
            y=[LETTERS[number % 26]],
            error_x=whiskers([value], colour(number)),
            mode="markers",
            marker={"color": colour(number), "size": 11},
            customdata=[[names[number], hover(value)]],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        )
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    figure.update_xaxes(nticks=5, showgrid=True)
    return figure


def class_bars(
    heading: str,
    groups: dict[int, dict[str, Estimate]],
    names: Sequence[str],
    tags: Sequence[str] = LETTERS,
    share: bool = False,
) -> go.Figure:
    """For each class one standing bar a checkpoint; `groups` maps a checkpoint's number to its figure by class.

    `names` appear in hover texts, `tags` in the legend.
    """
    legend = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"}
    figure = chart(heading, 300, barmode="group", bargap=0.25, showlegend=True, legend=legend)
    figure.update_layout(margin_t=44)
    for number, figures in groups.items():
        figure.add_bar(
            x=list(figures),
            y=[value.value for value in figures.values()],
            name=tags[number % len(tags)],
            error_y=whiskers(list(figures.values())),
            marker={"color": colour(number), "cornerradius": 2},
            customdata=[[names[number], hover(value)] for value in figures.values()],
            hovertemplate="%{x} · %{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        )
    figure.update_xaxes(type="category", showgrid=False)
    if share:
        figure.update_yaxes(tickformat=".0%")
    return figure


def plane(x: str, y: str, points: dict[int, tuple[Estimate, Estimate]], names: Sequence[str]) -> go.Figure:
    """Two figures against each other, with error bars both ways; lettered and coloured as `bars`."""
    figure = chart("", 400, xaxis_title=title(x), yaxis_title=title(y))
    figure.update_xaxes(showgrid=True)
    for number, (right, up) in points.items():
        figure.add_scatter(
            x=[right.value],
            y=[up.value],
            error_x=whiskers([right], colour(number)),
            error_y=whiskers([up], colour(number)),
            mode="markers+text",
            text=[LETTERS[number % 26]],
            textposition="top right",
            textfont={"size": 14},
            marker={"size": 13, "color": colour(number)},
            customdata=[[names[number], hover(right), hover(up)]],
            hovertemplate=f"%{{customdata[0]}}<br>{t(FIGURES[x].title)} %{{customdata[1]}}<br>"
            f"{t(FIGURES[y].title)} %{{customdata[2]}}<extra></extra>",
        )
    return figure


def cost_plane(
    name: str, axis: str, points: dict[int, tuple[float, Estimate]], families: Sequence[str], names: Sequence[str]
) -> go.Figure:
    """A figure against what it cost, on a logarithmic axis; one point a checkpoint, its family as the colour."""
    legend = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"}
    figure = chart("", 400, xaxis_title=axis, yaxis_title=title(name), showlegend=True, legend=legend)
    figure.update_layout(margin_t=44)
    figure.update_xaxes(type="log", showgrid=True)
    for place, family in enumerate(sorted({families[number] for number in points})):
        own = {number: point for number, point in points.items() if families[number] == family}
        figure.add_scatter(
            x=[cost for cost, _ in own.values()],
            y=[value.value for _, value in own.values()],
            error_y=whiskers([value for _, value in own.values()], colour(place)),
            mode="markers+text",
            name=family,
            text=[LETTERS[number % 26] for number in own],
            textposition="top right",
            textfont={"size": 14},
            marker={"size": 13, "color": colour(place)},
            customdata=[[names[number], hover(value)] for number, (_, value) in own.items()],
            hovertemplate="%{customdata[0]}<br>%{x:,.4~g} " + axis + "<br>%{customdata[1]}<extra></extra>",
        )
    return figure


def losses(name: str, seen: Sequence[int], values: Sequence[float]) -> go.Figure:
    """What a training method measured of itself along a run."""
    figure = chart(name.replace("_", " "), 220, hovermode="closest")
    figure.add_scatter(
        x=seen,
        y=values,
        mode="lines",
        line={"color": colour(0), "width": 1.5},
        hovertemplate="%{y:.4g}<br>%{x:,} " + t("samples seen") + "<extra></extra>",
    )
    figure.update_xaxes(nticks=6, tickformat="~s")
    return figure


def curve(name: str, seen: Sequence[int], figures: Sequence[Estimate], revisions: Sequence[str], at: str) -> go.Figure:
    """A figure along training with its band of 95 %; the revision `at` is marked. A point's customdata is its name."""
    figure = chart(title(name), 270, hovermode="closest", clickmode="event+select")
    line = colour(0)
    band = f"rgba{(*hex_to_rgb(line), 0.18)}"
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(x=seen, y=[value.high for value in figures], **edge)
    figure.add_scatter(x=seen, y=[value.low for value in figures], fill="tonexty", fillcolor=band, **edge)
    figure.add_scatter(
        x=seen,
        y=[value.value for value in figures],
        mode="lines+markers",
        line={"color": line, "width": 2},
        marker={"color": line, "size": [15 if revision == at else 9 for revision in revisions], "opacity": 1},
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        customdata=[[revision, hover(value)] for revision, value in zip(revisions, figures)],
        hovertemplate="%{customdata[0]}<br>%{x:,} " + t("samples seen") + "<br>%{customdata[1]}<extra></extra>",
    )
    figure.update_xaxes(nticks=6, tickformat="~s")
    return figure
