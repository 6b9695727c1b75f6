"""Two or more checkpoints of one protocol: verdicts, figures, classes, samples of the same seeds."""

import html

import streamlit as st
from charts import LETTERS, class_bars, colour, cost_plane, intervals, plane
from downloads import ChartSheet, offer_table
from extremes import show_best_and_worst, show_most_changed
from language import t
from page import (
    as_text,
    grid,
    head,
    name_caveats,
    name_few_images,
    name_unmeasured,
    protocol_sentence,
    protocol_title,
    seed_input,
    select,
)
from pictures import show_overlaid
from recipes import compare_recipes, warn_of_single_runs
from samples import show_samples
from sources import board_of, entries, show_claims

from aigc_core.evaluation.comparison import MARKED, compare, judged, outcomes_by_judge
from aigc_core.evaluation.results import FIGURES, Result
from aigc_core.serving.leaderboard import Entry
from aigc_core.serving.tables import as_rows

ICONS = {
    "better": ":green[:material/trending_up:]",
    "worse": ":red[:material/trending_down:]",
    "tie": ":gray[:material/trending_flat:]",
}


def verdict_words(names: list[str], results: list[Result], other: int, by: str) -> str:
    """How the first checkpoint stands to another one: in the figure `by` with confidence, and in the rest."""
    first, second = results[0], results[other]
    common = [name for name in FIGURES if name in first.figures and name in second.figures]
    outcomes = {name: compare(first, second, name) for name in common}
    parts = []
    if by in outcomes:
        verdict = outcomes[by]
        words = t(
            MARKED[verdict.outcome],
            a=as_text(names[0]),
            b=as_text(names[other]),
            figure=t(FIGURES[by].title),
            first=first.figures[by],
            second=second.figures[by],
            share=verdict.share,
        )
        parts.append(f"{ICONS[verdict.outcome]} {words}")
    summaries = {
        "better": t("Better in {names}."),
        "worse": t("Worse in {names}."),
        "tie": t("No difference in {names}."),
    }
    for outcome, summary in summaries.items():
        rest = [t(FIGURES[name].title) for name in common if name != by and outcomes[name].outcome == outcome]
        if rest:
            parts.append(summary.format(names=t(", ").join(rest)))
    return " ".join(parts)


def entry_of(name: str) -> Entry:
    """The checkpoint that the page calls so."""
    return lines[name].entry


def first_two() -> list[str]:
    """What is compared until something is chosen: the two that rank first, of which neither is a copy of the other."""
    unlike: list[str] = []
    for name, line in lines.items():
        if all(line.result.figures != lines[other].result.figures for other in unlike):
            unlike.append(name)
    return unlike[:2]


head(t("Compare"), t("Two checkpoints or more of one protocol: is the difference real, and what does it look like?"))
found = entries()
board = board_of(found)
groups = {protocol_title(group[0][1].protocol): group for group in board.groups.values()}
if not groups:
    name_unmeasured(found)
    st.stop()
left, middle, right = st.columns([2, 4, 1])
chosen = select(left, t("Protocol"), list(groups), "protocol")
measured = [name for name in FIGURES if any(name in result.figures for _, result in groups[chosen])]
if not measured:
    name_few_images(groups[chosen][0][1])
    st.stop()
words = {name: t(FIGURES[name].title) for name in measured}
by = select(right, t("Judge by"), measured, "by", words)
lines = {line.name: line for line in board.ranked(groups[chosen][0][1].protocol.id, by)}
if st.session_state.setdefault("compared", chosen) != chosen:
    # Another protocol has other checkpoints: its first two are compared until some are chosen.
    st.session_state["compared"] = chosen
    st.session_state["checkpoint"] = first_two()
names = middle.multiselect(
    t("Checkpoints"), list(lines), default=first_two(), key="checkpoint", bind="query-params", wrap=True
)
st.caption(protocol_sentence(groups[chosen][0][1].protocol))
if len(names) < 2:
    st.info(t("Choose two checkpoints or more."), icon=":material/balance:")
    st.stop()
results = [lines[name].result for name in names]
name_few_images(results[0])

st.html(
    "<div style='display:flex;flex-wrap:wrap;gap:.3rem 1.4rem'>"
    + "".join(
        f"<span style='overflow-wrap:anywhere'><b style='color:{colour(number)}'>{LETTERS[number % 26]} ■</b> "
        f"{html.escape(name)}</span>"
        for number, name in enumerate(names)
    )
    + "</div>"
)
with st.container(border=True):
    for other in range(1, len(names)):
        st.markdown(verdict_words(names, results, other, by))
        if outcomes := outcomes_by_judge(
            entry_of(names[0]).results, entry_of(names[other]).results, results[0].protocol, by
        ):
            st.warning(
                t(
                    "The verdict depends on the judge: {a} against {b} is {outcomes}.",
                    a=as_text(names[0]),
                    b=as_text(names[other]),
                    outcomes=t(", ").join(
                        t(judged(as_text(extractor), outcome)) for extractor, outcome in outcomes.items()
                    ),
                ),
                icon=":material/gavel:",
            )
        warn_of_single_runs(groups[chosen], [lines[names[0]], lines[names[other]]], [names[0], names[other]], by)
compare_recipes(groups[chosen], list(lines.values()), by)

show_claims({entry_of(name).reference for name in names})

charts = ChartSheet("compare")
cells = grid(3)
for name in measured:
    present = {number: result.figures[name] for number, result in enumerate(results) if name in result.figures}
    if present and not FIGURES[name].audit:
        with next(cells):
            charts.show(intervals(name, present, names), f"interval-{name}")
compared = [lines[name] for name in names]
row = st.container(horizontal=True, vertical_alignment="center")
row.caption(t("These figures as a table:"), width="content")
offer_table(
    row,
    f"{chosen.replace(' · ', '-')}-compared",
    compared,
    [name for name in measured if any(name in result.figures for result in results)],
    lambda: as_rows(compared),
    lambda: {line.name: line.result.model_dump(mode="json") for line in compared},
)

name_caveats(measured)

points = {
    number: (result.figures["recall"], result.figures["precision"])
    for number, result in enumerate(results)
    if {"precision", "recall"} <= result.figures.keys()
}
if points:
    st.subheader(t("Quality against diversity"), anchor=False)
    st.caption(t("Up: samples look like the data. Right: the data's variety is covered. Bars are 95 % intervals."))
    charts.show(plane("recall", "precision", points, names), "plane")

costs = {
    "samples_seen": (t("samples seen"), [float(result.samples_seen) for result in results]),
    "training": (
        t("seconds of training"),
        [entry.config.training_seconds if entry.config else 0.0 for entry in map(entry_of, names)],
    ),
    "sampling": (t("seconds per sample"), [result.seconds_per_sample or 0.0 for result in results]),
}
costs = {name: cost for name, cost in costs.items() if any(cost[1])}
if costs and any(by in result.figures for result in results):
    st.subheader(t("Quality against cost"), anchor=False)
    titles = {name: cost[0] for name, cost in costs.items()}
    row = st.columns([1, 3])
    axis, values = costs[select(row[0], t("Cost"), list(costs), "cost", titles)]
    charts.show(
        cost_plane(
            by,
            axis,
            {
                number: (cost, result.figures[by])
                for number, (cost, result) in enumerate(zip(values, results))
                if cost and by in result.figures
            },
            [entry.config.family if entry.config else "" for entry in map(entry_of, names)],
            names,
        ),
        "cost-plane",
    )

by_class = {number: result.classes for number, result in enumerate(results) if result.classes}
if by_class:
    st.subheader(t("By class"), anchor=False)
    fids = {
        number: {name: found.fid for name, found in classes.items() if found.fid}
        for number, classes in by_class.items()
    }
    if any(fids.values()):
        charts.show(class_bars(f"{t('FID')} ↓", fids, names), "class-fid")
    shares = {
        number: {name: found.share for name, found in classes.items() if found.share}
        for number, classes in by_class.items()
    }
    charts.show(class_bars(t("Share of the samples"), shares, names, share=True), "class-share")
charts.offer()

row = st.columns([4, 1], vertical_alignment="bottom")
row[0].subheader(t("The same seeds"), anchor=False)
seed = seed_input(row[1])
grids = grid(min(len(names), 4))
for number, name in enumerate(names):
    with next(grids):
        show_samples(lines[name].entry, range(seed, seed + 24), 6, f"{LETTERS[number % 26]} {name}")
show_overlaid((lines[names[0]].entry, lines[names[1]].entry), (names[0], names[1]), range(seed, seed + 24))
show_most_changed((lines[names[0]].entry, lines[names[1]].entry), (names[0], names[1]), results[0].protocol, seed)
show_best_and_worst({name: lines[name].entry for name in names}, results[0].protocol, seed)
