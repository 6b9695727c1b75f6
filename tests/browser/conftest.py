"""A browser for the tests of this folder, and the app, unless a file serves something else as its `address`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client
from playwright.sync_api import Browser, expect

from tests.app_pages import served_app
from tests.browser.chromium import chromium

expect.set_options(timeout=60_000)  # milliseconds, for machines that are slow or have much to do


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under CI, where machines are busy, try a test in the browser up to three times; the summary counts the reruns."""
    if os.environ.get("CI") == "true":
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="module")
def running_browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file."""
    with chromium() as found:
        yield found


@pytest.fixture
def browser(running_browser: Browser) -> Iterator[Browser]:
    """The same without the pages of other tests, which would keep the processor busy."""
    yield running_browser
    for context in running_browser.contexts:
        context.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app, as `served_app` serves it, for the tests of a file."""
    with served_app(tmp_path_factory.mktemp("app")) as url:
        yield url


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    """A client of the app at a file's address."""
    return Client(address, verbose=False)
