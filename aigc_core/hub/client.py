"""The client of the Hugging Face Hub: how long it waits, the threads that ask, and the names that may be asked for.

The token is the one that huggingface_hub keeps, or a visitor's own.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from aigc_core.checkpoint.reference import repo_name
from aigc_core.errors import AIGCError
from aigc_core.version import __version__

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PARALLEL_REQUESTS = 16
"""The number of threads with which this process asks the Hub, for every page and visitor."""
REQUESTS_PER_REPOSITORY = 8
"""How many of them one repository may use at a time, so that none holds up all others."""
TIMEOUT = 60
"""Seconds of silence after which the Hub counts as unreachable."""

revision_name = re.compile(r"(?!.*(\.\.|//))[A-Za-z0-9][\w./-]{0,99}", re.ASCII)
commit_hash = re.compile(r"[0-9a-f]{40}")

readers = ThreadPoolExecutor(PARALLEL_REQUESTS, thread_name_prefix="hub")
"""A task in these threads must not wait for another one, or all might wait for each other."""
bounding = threading.Lock()
Item = TypeVar("Item")
Found = TypeVar("Found")


def hub_client(token: str | None) -> HfApi:
    """The client of the Hub, with a limit on every wait."""
    from huggingface_hub import HfApi

    with bounding:
        _bound_all_waits()
    return HfApi(token=token, library_name="aigc-studio", library_version=__version__)


@cache
def _bound_all_waits() -> None:
    """Let huggingface_hub make HTTP clients that limit every wait.

    Its own settings (HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT) limit downloads only; many other calls pass no
    timeout explicitly, which overrides a client's default. It makes a new client after a failed connection and in a
    forked process. The request hooks of its current client, which enforce HF_HUB_OFFLINE, are kept. That client is
    closed, so this is done once, before any thread uses it.
    """
    import httpx2
    from huggingface_hub import get_session, set_client_factory

    hooks = [*get_session().event_hooks["request"], _bound_wait]
    set_client_factory(lambda: httpx2.Client(event_hooks={"request": hooks}, follow_redirects=True, timeout=None))


def _bound_wait(request: Any) -> None:
    waits = request.extensions.get("timeout", {})
    bounds = {
        phase: TIMEOUT if waits.get(phase) is None else waits[phase] for phase in ("connect", "read", "write", "pool")
    }
    request.extensions = {**request.extensions, "timeout": bounds}


def in_readers(function: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """The results of a function for each item, in order, computed in `readers`.

    The first item runs alone, so that a repository that does not answer occupies one thread, not its whole share.
    """
    running: deque[Future[Found]] = deque()
    limit = 1
    for item in items:
        if len(running) >= limit:
            yield running.popleft().result()
            limit = REQUESTS_PER_REPOSITORY
        running.append(readers.submit(function, item))
    while running:
        yield running.popleft().result()


def checked_names(repo_id: str, revision: str) -> str:
    """The revision, if both names are valid: they become parts of addresses and of paths in the cache.

    Raises AIGCError if one is not.
    """
    if not repo_name.fullmatch(repo_id):
        raise AIGCError("'{name}' is not a name on the Hub; write OWNER/NAME.", name=repo_id)
    if not revision_name.fullmatch(revision):
        raise AIGCError("'{revision}' is not the name of a revision.", revision=revision)
    return revision
