"""Recipes on the pages: groups of training seeds in a table, the verdict on two of them, and single runs' warning."""

from collections.abc import Mapping, Sequence

import pandas
import streamlit as st
from charts import title
from downloads import offer_table
from language import t
from page import as_cells, as_text, page_of, select
from pandas.io.formats.style_render import StylerRenderer

from aigc_core.evaluation.comparison import MARKED, compare
from aigc_core.evaluation.recipes import differences, over_seeds
from aigc_core.evaluation.results import FIGURES, Result
from aigc_core.serving.board import Board
from aigc_core.serving.leaderboard import Entry, Row
from aigc_core.serving.recipes import (
    RecipeGroup,
    RecipeRow,
    recipe_groups,
    recipe_records,
    single_runs_warning,
)

MOST_ROWS = 20
"""A table of recipes shows so many at a time."""


@st.fragment
def show_recipes(board: Board, key: str, lines: Sequence[Row], figure: str, shown: Sequence[str]) -> None:
    """The table of a protocol's recipes below that of its checkpoints, if any was trained with two seeds or more.

    Those of which the rows `lines` have all members.
    """
    references = {line.entry.reference for line in lines}
    rows = [
        row
        for row in board.ranked_recipes(key, figure)
        if references.issuperset(entry.reference for entry, _ in row.group.members)
    ]
    if not rows:
        return
    st.markdown(f"**{t('Recipes')}**")
    st.caption(
        t(
            "Runs that differ only in the training seed. A mean's 95 % interval holds the variance of training and of "
            "sampling; ranks are by Welch's test with Holm's correction."
        )
    )
    place = st.container()
    _, page_rows = page_of(rows, MOST_ROWS, f"recipes-page-{key}")
    place.dataframe(
        _table(page_rows, shown, figure),
        hide_index=True,
        placeholder="—",
        height="content",
        key=f"recipes-{key}",
        column_config={
            "rank": st.column_config.NumberColumn("#", width=44, pinned=True, help=t("Rank")),
            "recipe": st.column_config.TextColumn(t("Recipe"), pinned=True),
            "seeds": st.column_config.NumberColumn(t("Training seeds")),
            "spread": st.column_config.NumberColumn(
                t("Spread of {figure}", figure=t(FIGURES[figure].title)),
                format="%.2g",
                help=t("The standard deviation over training seeds."),
            ),
            **{name: st.column_config.NumberColumn(title(name), alignment="right") for name in shown},
        },
    )
    offer_table(
        st.container(horizontal=True),
        f"recipes-{rows[0].protocol.dataset}-{key}",
        rows,
        shown,
        lambda: recipe_records(rows),
        lambda: {row.group.name: [result.model_dump(mode="json") for result in row.group.results] for row in rows},
    )


def _table(rows: Sequence[RecipeRow], shown: Sequence[str], figure: str) -> StylerRenderer:
    """Cells are numbers, by which the table sorts, and show their intervals."""
    found = {name: [row.group.figure(name) for row in rows] for name in {*shown, figure}}
    cells = {name: as_cells([one and one.mean for one in found[name]]) for name in shown}
    table = pandas.DataFrame(
        {
            "rank": [row.rank for row in rows],
            "recipe": [row.group.name for row in rows],
            "seeds": [len(row.group.members) for row in rows],
            **{name: numbers for name, (numbers, _) in cells.items()},
            "spread": [one and one.spread for one in found[figure]],
        }
    )
    return table.style.format({name: texts.get for name, (_, texts) in cells.items()}, na_rep="—")


def warn_of_single_runs(
    measured: Sequence[tuple[Entry, Result]], pair: Sequence[Row], names: Sequence[str], figure: str
) -> None:
    """Say how little one run of each of two recipes tells of them."""
    both = [(row.entry, row.result) for row in pair]
    sentence = single_runs_warning(recipe_groups(measured), both, list(map(as_text, names)), figure)
    if sentence:
        st.warning(t(sentence), icon=":material/casino:")


def compare_recipes(measured: Sequence[tuple[Entry, Result]], rows: Sequence[Row], figure: str) -> None:
    """A section on two recipes: found by their configs, or checkpoints that the visitor takes together by hand."""
    groups = {group.name: group for group in recipe_groups(measured)}
    with st.expander(t("Recipes"), icon=":material/casino:", expanded=bool(groups)):
        st.caption(
            t("Is one recipe better than another, and not one lucky run? Training seeds are compared by Welch's test.")
        )
        _choose_and_compare(groups, rows, figure)


def _choose_and_compare(groups: Mapping[str, RecipeGroup], rows: Sequence[Row], figure: str) -> None:
    by_name = {row.name: row for row in rows if figure in row.result.figures}
    sides = []
    for place, letter, cell in zip((0, 1), "ab", st.columns(2)):
        by_hand = t("chosen by hand")
        options = [*groups, by_hand]
        label = t("First recipe") if place == 0 else t("Second recipe")
        chosen = select(cell, label, options, f"recipe_{letter}", first=min(place, len(options) - 1))
        if chosen != by_hand:
            sides.append(_side(groups[chosen], figure))
            continue
        members = cell.multiselect(t("Its runs"), list(by_name), key=f"runs_{letter}", bind="query-params")
        sides.append((" + ".join(members), [by_name[name].result for name in members]))
        if unlike := differences([config for name in members if (config := by_name[name].entry.config)]):
            cell.warning(t("These runs are not of one recipe: they differ in {settings}.", settings=", ".join(unlike)))
    if any(len(results) < 2 for _, results in sides):
        st.info(t("Choose two runs or more of each recipe."), icon=":material/casino:")
        return
    (first, ours), (second, theirs) = sides
    verdict = compare(ours, theirs, figure)
    means = [over_seeds([result.figures[figure] for result in results]) for results in (ours, theirs)]
    first_value, second_value = (
        t(
            "{mean} (spread {spread} over {count} training seeds)",
            mean=one.mean,
            spread=f"{one.spread:.2g}",
            count=one.count,
        )
        for one in means
    )
    st.container(border=True).markdown(
        t(
            MARKED[verdict.outcome],
            a=as_text(first),
            b=as_text(second),
            figure=t(FIGURES[figure].title),
            first=first_value,
            second=second_value,
            share=verdict.share,
        )
    )


def _side(group: RecipeGroup, figure: str) -> tuple[str, list[Result]]:
    return group.name, [result for result in group.results if figure in result.figures]
