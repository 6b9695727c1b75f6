""" "Sign in with Hugging Face": the OpenID provider, whose page asks which of the local users one is."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey

if TYPE_CHECKING:
    from .server import LocalHub

USERS = {"hf_local_ada": "ada", "hf_local_bob": "bob"}
"""Who there is, by token."""
CLIENT_ID = "local-space"
SCOPES = "openid profile read-repos contribute-repos"


def routes(hub: LocalHub) -> APIRouter:
    router = APIRouter()
    key = RSAKey.generate_key(2048, {"kid": "hub"})
    codes: dict[str, tuple[str, str | None]] = {}

    @router.get("/.well-known/openid-configuration")
    def openid():
        return {
            "issuer": hub.endpoint,
            "authorization_endpoint": f"{hub.endpoint}/oauth/authorize",
            "token_endpoint": f"{hub.endpoint}/oauth/token",
            "userinfo_endpoint": f"{hub.endpoint}/oauth/userinfo",
            "jwks_uri": f"{hub.endpoint}/oauth/jwks",
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    @router.get("/oauth/jwks")
    def jwks():
        return {"keys": [key.as_dict(private=False)]}

    @router.get("/oauth/authorize")
    def authorize(request: Request, redirect_uri: str, state: str, nonce: str | None = None, user: str = ""):
        if not user:
            links = [f'<a href="{request.url.include_query_params(user=name)}">{name}</a>' for name in USERS.values()]
            return HTMLResponse(f"<h1>Sign in as</h1>{' '.join(links)}")
        code = secrets.token_hex(8)
        codes[code] = (user, nonce)
        glue = "&" if "?" in redirect_uri else "?"
        return RedirectResponse(f"{redirect_uri}{glue}{urlencode({'code': code, 'state': state})}", 302)

    @router.post("/oauth/token")
    async def token(request: Request):
        form = parse_qs((await request.body()).decode())
        user, nonce = codes.pop(form["code"][0])
        now = int(time.time())
        claims = {"iss": hub.endpoint, "aud": CLIENT_ID, "sub": user, "iat": now, "exp": now + 3600, "nonce": nonce}
        claims |= {"name": user, "preferred_username": user, "profile": "", "picture": ""}
        signed = jwt.encode({"alg": "RS256", "kid": "hub"}, claims, key)
        answer = {"access_token": f"hf_local_{user}", "id_token": signed, "token_type": "bearer", "expires_in": 3600}
        return answer | {"scope": SCOPES}

    return router
