"""All evaluated checkpoints, ranked within each protocol."""

from unicodedata import normalize

import pandas
import streamlit as st
from charts import title
from downloads import offer_table
from language import t
from page import (
    as_cells,
    as_text,
    grid,
    head,
    name_caveats,
    name_few_images,
    name_unmeasured,
    open_page,
    page_of,
    protocol_sentence,
    protocol_title,
    select,
)
from recipes import show_recipes
from sources import board_of, entries, show_claims

from aigc_core.evaluation.results import FIGURES
from aigc_core.serving.board import Board
from aigc_core.serving.leaderboard import Row, dispute, kind_of, seen_by_other_judges
from aigc_core.serving.tables import as_rows
from aigc_core.serving.thumbnails import thumbnail

MOST_ROWS = 50
"""A table shows so many rows at a time: more take long to send and to draw, at every click."""

MOST_OPEN = 3
"""So many tables are open until the visitor opens others: each that is open takes its time at every click."""


@st.fragment
def show_protocol(
    board: Board, key: str, lines: list[Row], by: str, ranked_by: str, shown: list[str], is_open: bool
) -> None:
    """What was measured by one protocol, of the checkpoints that pass the filter: drawn only while it is open."""
    protocol = lines[0].protocol
    name = as_text(" · ".join(filter(None, (protocol.dataset, protocol.split, protocol.extractor))))
    section = st.expander(f"**{name}** ({len(board.groups[key])})", is_open, key=f"open-{key}", on_change="rerun")
    if not section.open:
        return
    with section:
        st.caption(protocol_sentence(protocol))
        name_few_images(lines[0].result)
        if ranked_by != by:
            titles = {"figure": t(FIGURES[ranked_by].title), "other": t(FIGURES[by].title)}
            st.caption(t("Ranked by {figure}, as {other} was not measured here.", **titles))
        show_table(board, key, lines, ranked_by, shown)
        say_what_is_disputed(board, key, ranked_by)
        show_recipes(board, key, lines, ranked_by, shown)


@st.fragment
def show_table(board: Board, key: str, lines: list[Row], ranked_by: str, shown: list[str]) -> None:
    """A protocol's table and what can be done with it; a click in it leaves the other tables as they are."""
    protocol = lines[0].protocol
    place = st.container()
    page, page_lines = page_of(lines, MOST_ROWS, f"page-{key}")
    thumbnails = [thumbnail(line.entry) for line in page_lines]
    table = pandas.DataFrame(
        {
            "rank": [line.rank for line in page_lines],
            "checkpoint": [line.name for line in page_lines],
            **({"samples": thumbnails} if any(thumbnails) else {}),
            **dict.fromkeys(shown),
            "family": [t(kind_of(line.entry)) for line in page_lines],
            "architecture": [line.entry.config.architecture if line.entry.config else "" for line in page_lines],
            "samples_seen": [line.result.samples_seen for line in page_lines],
        }
    )
    # The cells are numbers, by which the table sorts, and show their intervals.
    intervals = {name: as_cells([line.estimate(name) for line in page_lines]) for name in shown}
    for name, (cells, _) in intervals.items():
        table[name] = cells
    others = {
        f"{ranked_by} {extractor}": (extractor, as_cells(seen))
        for extractor, seen in seen_by_other_judges(page_lines, ranked_by).items()
    }
    for number, (name, (_, (cells, texts))) in enumerate(others.items()):
        table.insert([*table.columns].index(ranked_by) + 1 + number, name, cells)
        intervals[name] = cells, texts
    style = table.style.format({name: texts.get for name, (_, texts) in intervals.items()}, na_rep="—")
    chosen = place.dataframe(
        style,
        hide_index=True,
        placeholder="—",
        height="content" if len(page_lines) <= 15 else 560,
        key=f"table-{key}-{page}",
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "rank": st.column_config.NumberColumn("#", width=44, pinned=True, help=t("Rank")),
            "checkpoint": st.column_config.TextColumn(t("Checkpoint"), pinned=True),
            "samples": st.column_config.ImageColumn(t("Samples"), width=128),
            **{name: st.column_config.NumberColumn(title(name), alignment="right") for name in shown},
            **{
                name: st.column_config.NumberColumn(
                    f"{title(ranked_by)} ({extractor})",
                    alignment="right",
                    help=t(
                        "The same samples, as another judge sees them; where it says the opposite, a rank is shared."
                    ),
                )
                for name, (extractor, _) in others.items()
            },
            "family": t("Family"),
            "architecture": t("Architecture"),
            "samples_seen": st.column_config.NumberColumn(t("Samples seen"), format="localized"),
        },
    )
    actions = st.container(horizontal=True, vertical_alignment="center")
    selected = [page_lines[row].name for row in chosen["selection"]["rows"]]
    if actions.button(
        t("Compare the ticked rows"),
        icon=":material/balance:",
        disabled=len(selected) < 2,
        help=t("Tick two rows or more at their left end."),
        key=f"compare-{key}",
    ):
        open_page("compare.py", protocol=protocol_title(protocol), checkpoint=selected)
    offer_table(
        actions,
        f"{protocol.dataset}-{key}",
        lines,
        shown,
        lambda: as_rows(lines),
        lambda: {line.name: line.result.model_dump(mode="json") for line in lines},
    )


def say_what_is_disputed(board: Board, key: str, ranked_by: str) -> None:
    """Name the checkpoints that another judge puts in the opposite order."""
    for extractor, pairs in board.disputed(key, ranked_by).items():
        named = [(as_text(better), as_text(worse)) for better, worse in pairs]
        st.warning(t(dispute(as_text(extractor), named)), icon=":material/gavel:")


head(
    t("Leaderboard"),
    t(
        "Figures with their 95 % intervals. A rank is one plus the number of checkpoints that are better beyond doubt, "
        "so checkpoints that cannot be told apart share it, as do those of which another judge says the opposite; as a "
        "table of n compares n (n − 1) / 2 pairs, doubt is by Holm's correction."
    ),
)
found = entries()
board = board_of(found)
measured = board.measured
if not measured:
    name_unmeasured(found)
    show_claims()
    st.stop()
words = {name: t(FIGURES[name].title) for name in measured}
controls = grid(4)
find = next(controls).text_input(t("Name contains"), key="find", bind="query-params") or ""
find = normalize("NFC", find).casefold()
architectures = next(controls).multiselect(
    t("Architecture"),
    sorted({entry.config.architecture for entry in found if entry.config}),
    key="architecture",
    bind="query-params",
    placeholder=t("all"),
)
figures = next(controls).multiselect(
    t("Figures"),
    measured,
    format_func=words.__getitem__,
    key="figures",
    bind="query-params",
    placeholder=t("all"),
)
by = select(next(controls), t("Rank by"), measured, "rank", words)
if len(board.groups) > 1:
    st.info(
        t(
            "There are {count} tables because figures measured on other data, with another extractor or another "
            "number of samples cannot be ranked together.",
            count=len(board.groups),
        ),
        icon=":material/info:",
    )
opened = 0
for key, group in board.groups.items():
    of_group = [name for name in measured if any(name in result.figures for _, result in group)]
    if not of_group:
        continue
    ranked_by = by if by in of_group else of_group[0]
    lines = [
        line
        for line in board.ranked(key, ranked_by)
        if find in normalize("NFC", line.name).casefold()
        and (line.entry.config or line.entry.is_samples)
        and (not architectures or (line.entry.config and line.entry.config.architecture in architectures))
    ]
    if lines:
        wanted = figures or [name for name in measured if name == ranked_by or not FIGURES[name].audit]
        shown = [name for name in wanted if any(name in line.result.figures for line in lines)]
        show_protocol(board, key, lines, by, ranked_by, shown, is_open=opened < MOST_OPEN)
        opened += 1
if not opened:
    st.caption(t("No checkpoint passes the filter."))
name_caveats(figures or [name for name in measured if name == by or not FIGURES[name].audit])
name_unmeasured(found)
show_claims()
