"""How a model's figures changed along its training; a click on a point shows samples of that revision."""

from pathlib import Path

import streamlit as st
from charts import curve, losses
from downloads import ChartSheet
from language import t
from page import grid, head, name_caveats, name_few_images, name_unmeasured, protocol_sentence, seed_input, select
from samples import show_samples
from sources import entries

from aigc_core.checkpoint.reference import step_number
from aigc_core.evaluation.results import FIGURES, Result
from aigc_core.serving.leaderboard import Entry, by_protocol, model_names
from aigc_core.training.timeline import read_timeline

FIRST = ("fid", "is", "kid")


def choose(chart: str) -> None:
    """Take the revision that was clicked in a chart as the one whose samples are shown."""
    points = st.session_state[chart]["selection"]["points"]
    if points:
        st.session_state["revision"] = points[0]["customdata"][0]


def draw(name: str, points: list[tuple[Entry, Result]], at: str) -> None:
    """The curve of a figure over the revisions that have it; the one at which samples are shown is marked."""
    shown = [(entry.revision, result) for entry, result in points if name in result.figures]
    charts.show(
        curve(
            name,
            [result.samples_seen for _, result in shown],
            [result.figures[name] for _, result in shown],
            [revision for revision, _ in shown],
            at,
        ),
        f"curve-{name}",
        on_select=lambda: choose(f"curve-{name}"),
        selection_mode="points",
    )


def show_losses(run: Path) -> None:
    """What a run on this machine measured while it trained, if its timeline is here."""
    measured = read_timeline(run).measurements
    names = list(dict.fromkeys(name for one in measured for name in one.values))
    if not names:
        return
    st.subheader(t("Measured while training"), anchor=False)
    cells = grid(3)
    for name in names:
        points = [(one.samples_seen, one.values[name]) for one in measured if name in one.values]
        figure = losses(name, [seen for seen, _ in points], [value for _, value in points])
        with next(cells):
            charts.show(figure, f"loss-{name}")


def run_of(entry: Entry) -> Path | None:
    """The folder that a step on this machine lies in."""
    folder = entry.folder
    return folder.parent if folder is not None and step_number(folder.name) is not None else None


head(
    t("Training"),
    t(
        "Figures of a model's revisions against the samples seen, with bands of 95 %, and what a run measured of "
        "itself. Click a point to see its samples."
    ),
)
charts = ChartSheet("training")
found = entries()
named = model_names(found)
steps: dict[str, list[Entry]] = {}
for entry in found:
    steps.setdefault(entry.model, []).append(entry)
curves: dict[tuple[str, str], list[tuple[Entry, Result]]] = {}
for protocol, group in by_protocol(found).items():
    for entry, result in group:
        curves.setdefault((entry.model, protocol), []).append((entry, result))
curves = {
    key: sorted(points, key=lambda point: point[1].samples_seen) for key, points in curves.items() if len(points) > 1
}
evaluated = {model for model, _ in curves}
runs = {
    named[model]: (model, "")
    for model, of_model in steps.items()
    if model not in evaluated and (run := run_of(of_model[-1])) and read_timeline(run).measurements
}
titles = runs | {f"{named[model]} · {protocol}": (model, protocol) for model, protocol in curves}
if not titles:
    st.info(
        t("No model here has two evaluated revisions or more. Add a repository or a run in the sidebar."),
        icon=":material/show_chart:",
    )
    name_unmeasured(found)
    st.stop()
model, protocol = titles[select(st.container(), t("Model"), list(titles), "model")]
points = curves.get((model, protocol), [])
shown = [entry for entry, _ in points] or steps[model]
revisions = [entry.revision for entry in shown]
results = [result for _, result in points]
if results:
    st.caption(protocol_sentence(results[0].protocol))
    name_few_images(results[0])
else:
    st.caption(t("No two revisions of it were evaluated in the same way yet."))
measured = [name for name in FIGURES if any(name in result.figures for result in results)]

if st.session_state.get("revision", revisions[-1]) not in revisions:
    st.session_state["revision"] = revisions[-1]
foremost = [name for name in FIRST if name in measured] or measured[: len(FIRST)]
first = st.columns(len(FIRST))
left, right = st.columns([2, 3], gap="medium")
with left:
    at = revisions[0]
    if len(revisions) > 1:
        at = st.select_slider(t("Samples of"), revisions, revisions[-1], key="revision", bind="query-params")
    seed = seed_input(left)
    entry = shown[revisions.index(at)]
    seen = entry.config.samples_seen if entry.config else 0
    caption = f"{named[model]}@{at}: {t('{count} samples seen', count=f'{seen:,}')}"
    show_samples(entry, range(seed, seed + 36), 6, caption)
for cell, name in zip(first, foremost):
    with cell:
        draw(name, points, at)
if measured:
    name_caveats(measured)
with right:
    others = grid(2)
    for name in measured:
        if name not in foremost:
            with next(others):
                draw(name, points, at)
if run := run_of(shown[-1]):
    show_losses(run)
charts.offer()
