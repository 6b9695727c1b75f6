"""Two or more checkpoints of one protocol: verdicts, figures, samples of the same seeds."""

import plotly.graph_objects as go
import streamlit as st
from sources import entries

from aigc_core import AIGCError, Checkpoint
from aigc_core.comparison import compare
from aigc_core.interpolation import enlarge
from aigc_core.leaderboard import by_protocol, short_name
from aigc_core.provenance import to_picture
from aigc_core.results import FIGURES
from aigc_core.sampling import SampleRequest, image_grid, sample

COLOURS = ("#5b5bd6", "#e5484d", "#30a46c", "#f5a623", "#0090ff", "#8e4ec6")


@st.cache_data(show_spinner="Sampling …", max_entries=64)
def grid(folder: str, seed: int):
    """48 samples in eight columns, enlarged."""
    checkpoint = Checkpoint.from_pretrained(folder)
    images = sample(checkpoint, SampleRequest(seed=seed, count=48)).images
    return to_picture(image_grid(enlarge(images, 3 * images.shape[-1]), 8))


st.title("Compare")
groups = by_protocol(entries())
if not groups:
    st.info("No checkpoint has been evaluated yet; run `python -m aigc_core evaluate CHECKPOINT`.")
    st.stop()
titles = {key: f"{group[0][1].protocol.dataset} · {key}" for key, group in groups.items()}
chosen = st.selectbox("Protocol", list(groups), format_func=titles.__getitem__, key="protocol") or next(iter(groups))
results = {short_name(entry.reference): (entry, result) for entry, result in groups[chosen]}
names = st.multiselect("Checkpoints", list(results), default=list(results)[:2], key=f"names-{chosen}")
if len(names) < 2:
    st.info("Choose two checkpoints or more.")
    st.stop()
for other in names[1:]:
    try:
        verdict = compare(results[names[0]][1], results[other][1])
        icon = {
            "better": ":material/trending_up:",
            "worse": ":material/trending_down:",
            "tie": ":material/trending_flat:",
        }[verdict.outcome]
        st.markdown(f"{icon} **{names[0]}** against **{other}**: {verdict.sentence}")
    except AIGCError as error:
        st.warning(str(error))
colours = {label: COLOURS[number % len(COLOURS)] for number, label in enumerate(results)}
columns = st.columns(3)
for number, (name, kind) in enumerate(FIGURES.items()):
    present = [label for label in names if name in results[label][1].figures]
    figures = [results[label][1].figures[name] for label in present]
    if not figures:
        continue
    reach = [figure.reach for figure in figures]
    bars = go.Bar(
        x=present,
        y=[figure.value for figure in figures],
        error_y={"type": "data", "array": reach},
        marker_color=[colours[label] for label in present],
    )
    chart = go.Figure(
        bars, {"title": f"{kind.title} ({kind.better} is better)", "height": 280, "margin": {"t": 48, "b": 8}}
    )
    columns[number % 3].plotly_chart(chart, key=f"bar-{name}")
st.subheader("Quality against diversity")
plane = go.Figure(layout={"xaxis_title": "Recall", "yaxis_title": "Precision", "height": 380})
for label in names:
    precision, recall = (results[label][1].figures[name] for name in ("precision", "recall"))
    plane.add_scatter(
        x=[recall.value], y=[precision.value], name=label, mode="markers", marker={"size": 14, "color": colours[label]}
    )
st.plotly_chart(plane, key="plane")
st.subheader("The same seeds")
seed = st.number_input("First seed", 0, 2**32 - 1, 0, key="seed")
for column, label in zip(st.columns(len(names)), names):
    column.image(grid(str(results[label][0].folder), int(seed)), caption=label, width="stretch")
