"""The assembled dashboard, built by the steps of its Dockerfile and opened in a frame of another origin.

Where there is no container engine, the steps run in a scratch directory: RUN lines in a shell, COPY into the place the
image would have, ENV and ARG as given. Two things stand in for the base image: a `useradd` that only makes the home
folder, and a virtual environment on the Python at hand. It borrows from the environment of the tests the packages that
the Space pins in these very versions, with what they need and nothing else, so that pip fetches only the others (the
demo's test installs everything anew).
"""

from __future__ import annotations

import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from playwright.sync_api import expect

from tests.browser.chromium import chromium
from tests.processes import free_port
from tests.spaces_folders import assemble, card, pins


def borrow(requirements: Iterable[Requirement], folder: Path) -> None:
    """Link the installed packages that fit the requirements into a folder, and in turn what those require."""
    waiting, seen = list(requirements), set()
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        extras = requirement.extras or {""}
        if key in seen:
            continue
        seen.add(key)
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:
            continue  # pip will fetch it
        if not requirement.specifier.contains(package.version, prereleases=True):
            continue
        for name in {path.parts[0] for path in package.files or []} - {"..", "__pycache__"}:
            if not (folder / name).exists():
                (folder / name).symlink_to(package.locate_file(name))
        for needed in map(Requirement, package.requires or []):
            if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                needed.marker = None
                waiting.append(needed)


class Image:
    """What following a Dockerfile in `root` has come to: its environment, folder and command."""

    def __init__(self, context: Path, root: Path, build_arguments: dict[str, str]) -> None:
        self.context, self.root, self.build_arguments = context, root, build_arguments
        stand_ins = root / "stand-ins"
        stand_ins.mkdir(parents=True)
        (stand_ins / "useradd").write_text(f'#!/bin/sh\nmkdir -p "{root}/home/user"\n')
        (stand_ins / "useradd").chmod(0o755)
        subprocess.run([sys.executable, "-m", "venv", str(root / "python")], check=True)
        site = next((root / "python" / "lib").glob("python*/site-packages"))
        # Outside of the environment, so that pip never takes for its own what is only linked.
        borrowed = root / "borrowed" / "site-packages"
        borrowed.mkdir(parents=True)
        borrow(pins(context).values(), borrowed)
        (site / "borrowed.pth").write_text(str(borrowed))
        path = f"{root}/python/bin:{stand_ins}:/usr/bin:/bin"
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
        self.environment, self.arguments = kept | {"PATH": path}, {}
        self.folder, self.user, self.command, self.health = root, "root", [], ""
        text = (context / "Dockerfile").read_text().replace("\\\n", " ")
        for line in text.splitlines():
            if line and not line.startswith("#"):
                instruction, rest = line.split(maxsplit=1)
                steps = {"FROM": self.base, "RUN": self.run, "USER": self.switch_user, "ENV": self.env, "ARG": self.arg}
                steps |= {"WORKDIR": self.workdir, "COPY": self.copy, "EXPOSE": self.expose, "CMD": self.cmd}
                (steps | {"HEALTHCHECK": self.healthcheck})[instruction](rest.strip())

    def place(self, path: str) -> Path:
        """Where a path of the image lies."""
        value = re.sub(r"\$\{?(\w+)\}?", lambda m: self.environment[m[1]], path)
        if value.startswith(str(self.root)):
            return Path(value)
        return self.root / value.lstrip("/") if value.startswith("/") else self.folder / value

    def base(self, rest: str) -> None:
        assert rest.startswith("python:3.")

    def run(self, rest: str) -> None:
        environment = self.environment | self.arguments
        subprocess.run(["sh", "-ec", rest], check=True, cwd=self.folder, env=environment)

    def switch_user(self, rest: str) -> None:
        self.user = rest

    def env(self, rest: str) -> None:
        for word in shlex.split(rest):
            name, value = word.split("=", 1)
            value = re.sub(r"\$(\w+)", lambda m: self.environment[m[1]], value)
            self.environment[name] = re.sub(r"(^|:)/home", rf"\1{self.root}/home", value)

    def workdir(self, rest: str) -> None:
        self.folder = self.place(rest)
        self.folder.mkdir(parents=True, exist_ok=True)

    def arg(self, rest: str) -> None:
        name, default = rest.split("=")
        self.arguments[name] = self.build_arguments.get(name, default)

    def copy(self, rest: str) -> None:
        owner, source, target = rest.split()
        assert owner == "--chown=user"
        if source == ".":
            shutil.copytree(self.context, self.place(target), dirs_exist_ok=True)
        else:
            shutil.copy(self.context / source, self.place(target))

    def expose(self, rest: str) -> None:
        self.port = int(rest)

    def healthcheck(self, rest: str) -> None:
        self.health = rest.removeprefix("CMD ")

    def cmd(self, rest: str) -> None:
        self.command = json.loads(rest)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory):
    """The address of the running dashboard and its image."""
    parent = tmp_path_factory.mktemp("dashboard")
    context = assemble("dashboard", parent / "context")
    # The index of CPU builds is left out, as with a GPU: here a package index is all there is.
    image = Image(context, parent / "image", {"TORCH": "cuda"})
    assert image.port == card(context)["app_port"]
    port = free_port()
    environment = image.environment | {"STREAMLIT_SERVER_PORT": str(port)}
    with open(parent / "log", "w+b") as log:
        process = subprocess.Popen(image.command, cwd=image.folder, env=environment, stdout=log, stderr=log)
        try:
            for _ in range(60):
                assert process.poll() is None, (parent / "log").read_text()
                health = image.health.replace(str(image.port), str(port))
                if (
                    subprocess.run(["sh", "-c", health], check=False, env=environment, capture_output=True).returncode
                    == 0
                ):
                    break
                time.sleep(1)
            else:
                pytest.fail((parent / "log").read_text())
            yield f"http://127.0.0.1:{port}", image
        finally:
            process.terminate()
            process.wait(20)
    shutil.rmtree(parent)


@pytest.mark.timeout(1200)
def test_the_dashboard_works_in_a_frame_of_another_origin(dashboard, tmp_path):
    address, image = dashboard
    page_file = tmp_path / "index.html"
    page_file.write_text(f'<h1>Hub</h1><iframe id="space" src="{address}" width="1200" height="800"></iframe>')
    port = free_port()
    handler = lambda *args: http.server.SimpleHTTPRequestHandler(*args, directory=str(tmp_path))  # noqa: E731
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with chromium("--test-third-party-cookie-phaseout") as browser:
            page = browser.new_page()
            page.goto(f"http://localhost:{port}/index.html")  # another site than 127.0.0.1
            frame = page.frame_locator("#space")
            expect(frame.get_by_role("heading", name="Leaderboard")).to_be_visible(timeout=60_000)
            for name in ("Compare", "Training", "Audit", "Evaluate"):
                frame.get_by_role("link", name=name).click()
                expect(frame.get_by_role("heading", name=name).first).to_be_visible(timeout=60_000)
            expect(frame.get_by_text(re.compile("Traceback|ModuleNotFoundError"))).to_have_count(0)
    finally:
        server.shutdown()
    assert image.user == "user"
    home = Path(image.environment["HOME"])
    assert image.folder == home / "app" and Path(image.environment["HF_HOME"]).is_relative_to(home)
