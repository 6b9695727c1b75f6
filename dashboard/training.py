"""How a model's figures changed along its training."""

import plotly.graph_objects as go
import streamlit as st
from sources import entries

from aigc_core.checkpoint import SAMPLES_FILE
from aigc_core.leaderboard import by_protocol, short_name
from aigc_core.results import FIGURES

st.title("Training")
series: dict[tuple[str, str], list] = {}
for protocol, group in by_protocol(entries()).items():
    for entry, result in group:
        series.setdefault((short_name(entry.reference).partition("@")[0], protocol), []).append((entry, result))
series = {
    key: sorted(points, key=lambda point: point[1].images_seen) for key, points in series.items() if len(points) > 1
}
if not series:
    st.info("No model has more than one evaluated checkpoint.")
    st.stop()
model = st.selectbox("Model", list(series), format_func=lambda key: f"{key[0]} · {key[1]}", key="model")
points = series[model or next(iter(series))]
seen = [result.images_seen for _, result in points]
for column, name in zip(st.columns(2) * 2, ("fid", "is", "precision", "recall")):
    figures = [result.figures[name] for _, result in points]
    chart = go.Figure(
        layout={
            "title": FIGURES[name].title,
            "xaxis_title": "images seen",
            "height": 260,
            "margin": {"t": 48, "b": 8},
            "showlegend": False,
        }
    )
    chart.add_scatter(x=seen, y=[figure.high for figure in figures], mode="lines", line={"width": 0})
    chart.add_scatter(
        x=seen,
        y=[figure.low for figure in figures],
        mode="lines",
        line={"width": 0},
        fill="tonexty",
        fillcolor="rgba(91, 91, 214, 0.2)",
    )
    chart.add_scatter(x=seen, y=[figure.value for figure in figures], mode="lines+markers", line={"color": "#5b5bd6"})
    column.plotly_chart(chart, key=f"curve-{name}")
step = st.select_slider(
    "Samples after", list(range(len(points))), len(points) - 1, format_func=lambda k: f"{seen[k]:,} images"
)
st.image(str(points[step][0].folder / SAMPLES_FILE), width=560)
