"""The dashboard: `streamlit run dashboard/app.py` compares evaluated checkpoints."""

import os
import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).parents[1]))

st.set_page_config(page_title="AIGC Studio: compare", page_icon=":material/monitoring:", layout="wide")

pages = Path(__file__).parent
page = st.navigation(
    [
        st.Page(pages / "leaderboard.py", title="Leaderboard", icon=":material/trophy:", default=True),
        st.Page(pages / "compare.py", title="Compare", icon=":material/balance:"),
        st.Page(pages / "training.py", title="Training", icon=":material/show_chart:"),
        st.Page(pages / "audit.py", title="Audit", icon=":material/search:"),
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
    if "OAUTH_CLIENT_ID" in os.environ:
        if st.user.get("is_logged_in"):
            st.caption(
                f"Signed in as {st.user.get('preferred_username')}: your private checkpoints open, for you alone."
            )
            st.button("Sign out", on_click=st.logout)
        elif "sign_in" in st.query_params:
            st.login()
        else:
            # Signing in needs a tab of its own: the Hub's page may not be framed, and a frame gets no cookie.
            host = os.environ["SPACE_HOST"].split(",")[0]
            st.link_button("Sign in with Hugging Face", f"https://{host}/?sign_in=1")

page.run()
