"""Is every class there, and in its share? What the extractor's classifier sees in the samples."""

import plotly.graph_objects as go
import streamlit as st
from sources import entries

from aigc_core.leaderboard import by_protocol, short_name

st.title("Audit")
st.caption(
    "The share of samples that the extractor's classifier puts in each class, with 95 % intervals. Balanced data and "
    "balanced requests give equal shares."
)
choices = {
    f"{short_name(entry.reference)} · {result.protocol.id}": result
    for group in by_protocol(entries()).values()
    for entry, result in group
}
if not choices:
    st.info("No checkpoint has been evaluated yet.")
    st.stop()
result = choices[st.selectbox("Checkpoint", list(choices), key="checkpoint") or next(iter(choices))]
shares = {name: of_class.share for name, of_class in result.classes.items()}
chart = go.Figure(
    go.Bar(
        x=list(shares),
        y=[share.value for share in shares.values()],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [share.high - share.value for share in shares.values()],
            "arrayminus": [share.value - share.low for share in shares.values()],
        },
    ),
    {"yaxis_tickformat": ".0%", "height": 420},
)
chart.update_xaxes(type="category")
chart.add_hline(y=1 / len(shares), line_dash="dot", annotation_text="equal share")
st.plotly_chart(chart)
missing = [name for name, share in shares.items() if share.value < 0.1 / len(shares)]
st.markdown(f"**{len(shares) - len(missing)} of {len(shares)} classes** have at least a tenth of an equal share.")
if missing:
    st.warning(f"Missing or rare: {', '.join(missing)}.")
