"""The dashboard as it runs on Spaces: the same app, with "Sign in with Hugging Face" where the Space has it.

Spaces hands its OAuth application over in environment variables (https://huggingface.co/docs/hub/spaces-oauth);
Streamlit's sign-in (OpenID Connect) takes them as secrets, which here stay in memory.
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import streamlit as st


def sign_in_secrets() -> dict[str, Any]:
    """Streamlit's `auth` secrets for the OAuth application of the Space; empty where it has none."""
    if "OAUTH_CLIENT_ID" not in os.environ:
        return {}
    client_secret = os.environ["OAUTH_CLIENT_SECRET"]
    host = os.environ["SPACE_HOST"].split(",")[0]
    return {
        "auth": {
            "client_id": os.environ["OAUTH_CLIENT_ID"],
            "client_secret": client_secret,
            "cookie_secret": hashlib.sha256(b"cookie" + client_secret.encode()).hexdigest(),
            "server_metadata_url": os.environ["OPENID_PROVIDER_URL"] + "/.well-known/openid-configuration",
            "redirect_uri": f"https://{host}/oauth2callback",
            "expose_tokens": ["access"],
            "client_kwargs": {"scope": os.environ["OAUTH_SCOPES"]},
        }
    }


# `streamlit run` keeps the folder of the script it is given on the path; here that is this file's, and the pages import
# one another from theirs.
sys.path.insert(0, str(Path(__file__).with_name("dashboard")))
app = st.App("dashboard/app.py", secrets=sign_in_secrets())
