"""The dashboard: `streamlit run dashboard/app.py` compares evaluated checkpoints."""

import os
import sys
from pathlib import Path

import streamlit as st

ROOT = str(Path(__file__).parents[1])
if ROOT not in sys.path:  # this file runs anew at every visit and every click
    sys.path.insert(0, ROOT)

from language import choose_language, t  # noqa: E402

from aigc_core.registry import load_plugins  # noqa: E402

load_plugins()  # what they measure is shown, too

st.set_page_config(page_title="AIGC Studio", page_icon=":material/monitoring:", layout="wide")

with st.sidebar:
    choose_language()
    st.header(t("Checkpoints"))
    st.multiselect(
        t("Add your own"),
        [],
        accept_new_options=True,
        key="add",
        bind="query-params",
        placeholder="owner/name",
        help=t(
            "Type one and press Enter:\n\n"
            "- `owner/name`: a repository on the Hub with all its revisions, `owner/name@revision` one of them\n"
            "- `owner`: all that an owner has on the Hub\n"
            "- `collection:owner/name-id`, `tag:name`\n"
            "- a local folder: a checkpoint, a run, or a folder of runs\n"
            "- what others made: an ONNX file, or a repository or folder with one or with a pipeline of diffusers\n"
            "- samples that others drew: a folder, zip or npz of images, a repository of them, `datasets/owner/name`"
        ),
    )
    st.caption(
        t(
            "A Hub id, an owner, `collection:…`, `tag:…` or a folder. Shipped checkpoints and runs in runs/ are always "
            "there."
        )
    )
    if "OAUTH_CLIENT_ID" in os.environ:
        if st.user.get("is_logged_in"):
            name = st.user.get("preferred_username")
            st.caption(t("Signed in as {name}: your private checkpoints open, for you alone.", name=name))
            st.button(t("Sign out"), on_click=st.logout)
        elif "sign_in" in st.query_params:
            st.login()
        else:
            # Signing in needs a tab of its own: the Hub's page may not be framed, and a frame gets no cookie.
            host = os.environ["SPACE_HOST"].split(",")[0]
            st.link_button(t("Sign in with Hugging Face"), f"https://{host}/?sign_in=1")

pages = Path(__file__).parent
page = st.navigation(
    [
        st.Page(pages / "leaderboard.py", title=t("Leaderboard"), icon=":material/trophy:", default=True),
        st.Page(pages / "compare.py", title=t("Compare"), icon=":material/balance:"),
        st.Page(pages / "training.py", title=t("Training"), icon=":material/show_chart:"),
        st.Page(pages / "audit.py", title=t("Audit"), icon=":material/fact_check:"),
        st.Page(pages / "evaluate.py", title=t("Evaluate"), icon=":material/speed:"),
    ],
    position="top",
)
page.run()
