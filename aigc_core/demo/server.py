"""How the page is served to many at once: what Gradio keeps and computes for each call is bounded here.

Gradio has no public way to bound what it keeps of sessions, nor to run a script before its own, so this file, and no
other, reads and overrides private parts of its queue, its sessions and its page; `tests/integration/test_app_load.py`,
`tests/browser/test_app.py` and `tests/browser/test_app_api.py` notice when they change.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import gradio as gr
import torch
from fastapi import FastAPI
from gradio.block_function import BlockFunction
from gradio.processing_utils import check_all_files_in_cache
from gradio.routes import templates
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import get_function_params
from jinja2 import ChoiceLoader, DictLoader
from pydantic import ValidationError

from ..allocator import keep_freed_memory
from ..device import best_device
from ..errors import AIGCError
from .language import PREFER_CHOSEN
from .pictures import served_root
from .visitor import errors_shown

CONCURRENCY = 2
MAX_WAITING = 200
POSITION_SECONDS = 1.0
MAX_SESSIONS = 1000
KEPT_BYTES = 2**28
SAID = 60
"""How much of a wrong value its error repeats."""


class Session(SessionState):
    """A visitor's session without the config of what the page shows, which only deep links (not used here) read."""

    def __init__(self, blocks: gr.Blocks) -> None:
        without_components: Any = SimpleNamespace(default_config=blocks.default_config, blocks={})
        super().__init__(without_components)

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """What Gradio calls for each input and output of a call."""


class Sessions(StateHolder):
    """The sessions of visitors. A call that names no session gets one that ends with it."""

    def __init__(self, blocks: gr.Blocks) -> None:
        super().__init__()
        self.set_blocks(blocks)

    def __getitem__(self, session_id: str) -> SessionState:
        # Gradio calls the session of a call that names none by the call's own id.
        if session_id in self.blocks._queue.event_ids_to_events:
            return Session(self.blocks)
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        return super().__getitem__(session_id)

    def delete_all_expired_state(self) -> None:
        """What Gradio calls every second: also forget sessions that are over, and who waited for calls that are."""
        super().delete_all_expired_state()
        for name, session in list(self.session_data.items()):
            if session.is_closed and not session.state_data:
                del self.session_data[name]
                self.time_last_used.pop(name, None)
        waiting = self.blocks._queue.pending_event_ids_session
        for name in [name for name, events in waiting.items() if not events]:
            del waiting[name]


SHOWS_SAMPLES = (gr.Gallery, gr.HTML, gr.Image, gr.Video)


class Page(gr.Blocks):
    """A page that reads no file of the server for a visitor but uploads, and whose listed endpoints take fewer values
    than they have parameters: the others have their defaults. An event shows its progress on the first of its
    outputs that has pictures, sounds or texts, unless it says where."""

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        # Where Gradio may show progress, it looks each component up at every step of every event.
        for event in self.fns.values():
            if event.show_progress == "hidden":
                event.show_progress_on = []
            elif event.show_progress_on is None:
                samples = [each for each in event.outputs if isinstance(each, SHOWS_SAMPLES)]
                event.show_progress_on = samples[:1]

    def validate_inputs(self, block_fn: BlockFunction, inputs: list[Any]) -> None:
        """What Gradio calls with a call's values, in order.

        Raises gr.Error if one without a default is missing, has another form than its component takes, or names a file
        that was not uploaded.
        """
        if block_fn.fn and block_fn.api_visibility == "public":
            for name, has_default, default, _ in get_function_params(block_fn.fn)[len(inputs) :]:
                if not has_default:
                    with errors_shown():
                        raise AIGCError("The call lacks a value for '{name}'.", name=name)
                inputs.append(default)
        super().validate_inputs(block_fn, inputs)
        with errors_shown():
            check_values(block_fn.inputs, inputs)


def check_values(components: Sequence[Any], values: Sequence[Any]) -> None:
    """Raise AIGCError for a value of another form than its component takes, and for a file that was not uploaded, which
    Gradio itself reads where a picture is given without `meta`."""
    for component, value in zip(components, values):
        form = getattr(component, "data_model", None)
        if form is None or value is None:
            continue
        try:
            check_all_files_in_cache(value)
            form.model_validate(value)
        except gr.Error:
            raise AIGCError("A call can only name files that were uploaded to this app before.") from None
        except ValidationError:
            raise AIGCError(
                "A value is '{value}', where {component} takes a file that was uploaded, as JSON with its path.",
                value=str(value)[:SAID],
                component=component.get_block_name(),
            ) from None


def queued(page: gr.Blocks) -> gr.Blocks:
    """The page with a queue that says to those who wait where they are, once a second."""
    # Gradio sums up all past calls after each one unless told otherwise; /monitoring shows the last of them.
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1000")
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "100")
    return page.queue(default_concurrency_limit=CONCURRENCY, max_size=MAX_WAITING, status_update_rate=POSITION_SECONDS)


def run_first(script: str) -> None:
    """Let a script run at the head of the page; what `Blocks.launch` takes as `head` runs when Gradio has begun."""
    loader, name = templates.env.loader, "frontend/index.html"
    assert loader is not None
    source, *_ = loader.get_source(templates.env, name)
    first = "<head><script>{% raw %}{" + script + "}{% endraw %}</script>"
    templates.env.loader = ChoiceLoader([DictLoader({name: source.replace("<head>", first, 1)}), loader])


def serve(page: gr.Blocks, **options: Any) -> None:
    """Serve a page until the process ends, with `options` of `Blocks.launch`."""
    run_first(PREFER_CHOSEN)
    best_device()  # what libraries set up for all threads is there before a visitor's thread can ask for it
    torch.set_num_threads(max(1, torch.get_num_threads() // CONCURRENCY))
    keep_freed_memory(KEPT_BYTES, arenas=CONCURRENCY)
    served_root().mkdir(parents=True, exist_ok=True)
    gr.set_static_paths(served_root())  # neither copied, hashed, nor remembered for ever

    @asynccontextmanager
    async def with_sessions(app: FastAPI) -> AsyncIterator[None]:
        app.state_holder = Sessions(page)  # type: ignore[reportAttributeAccessIssue]  # of Gradio's subclass
        yield

    page.launch(app_kwargs={"lifespan": with_sessions}, state_session_capacity=MAX_SESSIONS, ssr_mode=False, **options)
