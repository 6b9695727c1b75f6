"""The dashboard: `streamlit run dashboard/app.py` compares evaluated checkpoints."""

import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).parents[1]))

st.set_page_config(page_title="AIGC Studio: compare", page_icon="📊", layout="wide")

pages = Path(__file__).parent
page = st.navigation(
    [
        st.Page(pages / "leaderboard.py", title="Leaderboard", icon="🏆", default=True),
        st.Page(pages / "compare.py", title="Compare", icon="⚖️"),
        st.Page(pages / "training.py", title="Training", icon="📈"),
        st.Page(pages / "audit.py", title="Audit", icon="🔍"),
    ],
    position="top",
)

with st.sidebar:
    st.header("Checkpoints")
    st.text_area(
        "Add your own, one a line",
        key="added",
        value="\n".join(st.query_params.get_all("add")),
        placeholder="owner/name\nowner/name@step-0001000\nruns/mine",
        help="Hub ids or local folders. Evaluate them first with `python -m aigc_core evaluate`.",
    )
    st.caption("Shipped checkpoints are always listed.")

page.run()
