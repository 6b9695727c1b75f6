"""How a model's figures changed along its training; a click on a point shows samples of that revision."""

import streamlit as st
from charts import CONFIG, curve
from language import t
from page import grid, head, name_caveats, name_few_images, name_unmeasured, protocol_sentence, seed_input, select
from samples import show_samples
from sources import entries

from aigc_core.evaluation.results import FIGURES, Result
from aigc_core.serving.leaderboard import Entry, by_protocol, model_names

FIRST = ("fid", "is", "kid")


def choose(chart: str) -> None:
    """Take the revision that was clicked in a chart as the one whose samples are shown."""
    points = st.session_state[chart]["selection"]["points"]
    if points:
        st.session_state["revision"] = points[0]["customdata"][0]


def draw(name: str, points: list[tuple[Entry, Result]], at: str) -> None:
    """The curve of a figure over the revisions that have it; the one at which samples are shown is marked."""
    shown = [(entry.revision, result) for entry, result in points if name in result.figures]
    st.plotly_chart(
        curve(
            name,
            [result.images_seen for _, result in shown],
            [result.figures[name] for _, result in shown],
            [revision for revision, _ in shown],
            at,
        ),
        key=f"curve-{name}",
        on_select=lambda: choose(f"curve-{name}"),
        selection_mode="points",
        config=CONFIG,
    )


head(
    t("Training"),
    t("Figures of a model's revisions against the samples seen, with bands of 95 %. Click a point to see its samples."),
)
found = entries()
named = model_names(found)
curves: dict[tuple[str, str], list[tuple[Entry, Result]]] = {}
for protocol, group in by_protocol(found).items():
    for entry, result in group:
        curves.setdefault((entry.model, protocol), []).append((entry, result))
curves = {
    key: sorted(points, key=lambda point: point[1].images_seen) for key, points in curves.items() if len(points) > 1
}
if not curves:
    st.info(
        t("No model here has two evaluated revisions or more. Add a repository or a run in the sidebar."),
        icon=":material/show_chart:",
    )
    name_unmeasured(found)
    st.stop()
titles = {f"{named[model]} · {protocol}": (model, protocol) for model, protocol in curves}
model, protocol = titles[select(st.container(), t("Model"), list(titles), "model")]
points = curves[model, protocol]
revisions = [entry.revision for entry, _ in points]
results = [result for _, result in points]
st.caption(protocol_sentence(results[0].protocol))
name_few_images(results[0])
measured = [name for name in FIGURES if any(name in result.figures for result in results)]

if st.session_state.get("revision", revisions[-1]) not in revisions:
    st.session_state["revision"] = revisions[-1]
foremost = [name for name in FIRST if name in measured] or measured[: len(FIRST)]
first = st.columns(len(FIRST))
left, right = st.columns([2, 3], gap="medium")
with left:
    at = st.select_slider(t("Samples of"), revisions, revisions[-1], key="revision", bind="query-params")
    seed = seed_input(left)
    entry, result = points[revisions.index(at)]
    caption = f"{named[model]}@{at}: {t('{count} samples seen', count=f'{result.images_seen:,}')}"
    show_samples(entry, range(seed, seed + 36), 6, caption)
for cell, name in zip(first, foremost):
    with cell:
        draw(name, points, at)
name_caveats(measured)
with right:
    others = grid(2)
    for name in measured:
        if name not in foremost:
            with next(others):
                draw(name, points, at)
