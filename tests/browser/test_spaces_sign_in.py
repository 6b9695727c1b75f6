"""Two visitors sign in with Hugging Face on one Space: each sees their own private model, and nobody another's.

The sign-in is the real one of Gradio and of Streamlit, in Chromium, against the OpenID provider of the local Hub. The
Spaces' own address is https, as the cookies ask for: here a small TLS relay stands where the Hub's proxy does.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect

from tests.local_hub import LocalHub
from tests.local_hub.sign_in import CLIENT_ID, SCOPES
from tests.processes import free_port
from tests.spaces_folders import assemble

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    folder = ROOT / "checkpoints" / "mnist-mlp"
    files = {name: (folder / name).read_bytes() for name in ("config.json", "model.safetensors", "README.md")}
    with LocalHub(tmp_path_factory.mktemp("hub")) as hub:
        for repo_id in ("ada/secret", "bob/secret", "bob/open"):
            hub.add(repo_id, files, private=repo_id != "bob/open")
        yield hub


@contextmanager
def tls_relay(folder: Path, target: int) -> Iterator[int]:
    """A port that speaks TLS with a certificate of its own and passes the bytes on to `target`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    chain = folder / "chain.pem"
    private = key.private_bytes(pem, plain, serialization.NoEncryption())
    chain.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async def hang_up() -> None:
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listening = asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    server = asyncio.run_coroutine_threadsafe(listening, loop).result(10)
    yield server.sockets[0].getsockname()[1]
    asyncio.run_coroutine_threadsafe(hang_up(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


@contextmanager
def space(app: str, hub: LocalHub, folder: Path, command: list[str]) -> Iterator[str]:
    """The https address of an assembled Space that runs `command` with what Spaces puts into the environment."""
    port = free_port()
    source = assemble(app, folder / "source")
    with tls_relay(folder, port) as tls_port:
        host = f"127.0.0.1:{tls_port}"
        own = {
            "SPACE_ID": f"ada/{app}",
            "SYSTEM": "spaces",
            "SPACE_HOST": host,
            "OAUTH_CLIENT_ID": CLIENT_ID,
            "OAUTH_CLIENT_SECRET": "only the Space knows",
            "OAUTH_SCOPES": SCOPES,
            "OPENID_PROVIDER_URL": hub.endpoint,
            "HF_ENDPOINT": hub.endpoint,
            "HF_HUB_DISABLE_XET": "1",  # which the local Hub does not speak
            "HF_HOME": str(folder / "hf"),
            "HOME": str(folder),
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_ROOT_PATH": f"https://{host}",
            "STREAMLIT_SERVER_PORT": str(port),
            "STREAMLIT_SERVER_HEADLESS": "true",
            "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "GRADIO_"))}
        with open(folder / "log", "w+b") as log:
            process = subprocess.Popen(command, cwd=source, env=kept | own, stdout=log, stderr=log)
            try:
                for _ in range(120):
                    assert process.poll() is None, (folder / "log").read_text()
                    try:
                        urlopen(f"http://127.0.0.1:{port}", timeout=5)
                        break
                    except OSError:
                        time.sleep(0.5)
                yield f"https://{host}"
            finally:
                process.terminate()
                process.wait(20)
        assert "hf_local_" not in (folder / "log").read_text()


def visit(page: Page, url: str) -> None:
    """Open a page; once more where Chromium finds that the relay has closed every connection it had kept."""
    try:
        page.goto(url, wait_until="commit")
    except PlaywrightError as error:
        if "ERR_TOO_MANY_RETRIES" not in str(error):
            raise
        page.goto(url, wait_until="commit")


def generate(page: Page, address: str, model: str) -> str:
    """What the API answers to this visitor's browser: its event stream."""
    values = [model, 7, 1, "", 1, 0, 0, 0, 0, None, 0, "", "", ""]
    begun = page.request.post(f"{address}/gradio_api/call/generate", data={"data": values}).json()
    return page.request.get(f"{address}/gradio_api/call/generate/{begun['event_id']}").text()


def test_each_visitor_of_the_demo_opens_their_own_models_only(hub, browser, tmp_path):
    with space("demo", hub, tmp_path, [sys.executable, "app.py"]) as address:
        pages = {user: browser.new_page(ignore_https_errors=True) for user in ("ada", "bob", None)}
        for user in ("ada", "bob"):
            page = pages[user]
            visit(page, address)
            expect(page.get_by_role("button", name="Thumbnail 1 of 16")).to_be_visible(timeout=60_000)
            expect(page.get_by_role("tab", name="Train")).to_have_count(0)
            page.get_by_role("button", name="Sign in with Hugging Face").click()
            page.get_by_role("link", name=user).click()
            expect(page.get_by_role("button", name=re.compile(user))).to_be_visible(timeout=30_000)
        for _ in range(2):  # the second time, what the first has loaded lies in memory and on disk
            for user, page in pages.items():
                for model in ("ada/secret", "bob/secret", "bob/open"):
                    answer = generate(page, address, model)
                    allowed = model == "bob/open" or model.startswith(f"{user}/")
                    assert ("event: complete" in answer) == allowed, (user, model, answer)
        commit = hub.repositories[("models", "ada/secret")].branches["main"]
        cached = tmp_path / "hf" / "hub" / "models--ada--secret" / "snapshots" / commit
        assert (cached / "config.json").exists()
        for path in (str(cached), f"checkpoints/../../hf/hub/models--ada--secret/snapshots/{commit}"):
            assert "event: complete" not in generate(pages["bob"], address, path)
        # A commit lies in the cache, but the rights to it are asked for; also where the Hub cannot say.
        assert "event: complete" not in generate(pages[None], address, f"ada/secret@{commit}")
        with hub.fault("/api/models/ada/secret", status=503):
            assert "event: complete" not in generate(pages[None], address, "ada/secret")


def test_each_visitor_of_the_dashboard_sees_their_own_checkpoints_only(hub, browser, tmp_path):
    command = [sys.executable, "-m", "streamlit", "run", "serve.py"]
    with space("dashboard", hub, tmp_path, command) as address:
        pages = {user: browser.new_page(ignore_https_errors=True) for user in ("ada", "bob", None)}
        for user in ("ada", "bob"):
            visit(pages[user], f"{address}/?sign_in=1")
            pages[user].get_by_role("link", name=user).click(timeout=60_000)
            expect(pages[user].get_by_text(f"Signed in as {user}")).to_be_visible(timeout=60_000)
        for _ in range(2):  # the second time, what the first has read lies in memory and on disk
            for user, page in pages.items():
                visit(page, f"{address}/?add=ada/secret&add=bob/secret")
                expect(page.get_by_role("button", name="LaTeX").first).to_be_visible(timeout=60_000)
                for owner in ("ada", "bob"):
                    refused = page.get_by_text(f"'{owner}/secret': it is not on the Hub, or is private")
                    expect(refused).to_have_count(0 if owner == user else 1, timeout=30_000)
                if user:
                    expect(page.get_by_text(re.compile(f"Not evaluated yet: .*{user}/secret"))).to_be_visible(
                        timeout=30_000
                    )
                else:
                    expect(page.get_by_role("link", name="Sign in with Hugging Face")).to_be_visible()
