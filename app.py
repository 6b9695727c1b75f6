"""The studio in a browser: `python app.py`. It composes the tabs of aigc_core.demo; computing is aigc_core's."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import EADDRINUSE
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # importing takes seconds, in which ^C ends the program without a word

import gradio as gr
from gradio.events import api
from gradio.http_server import INITIAL_PORT_VALUE, LOCALHOST_NAME, TRY_NUM_PORTS

from aigc_core import AIGCError, SampleRequest
from aigc_core.access import is_for_one
from aigc_core.demo import (
    about,
    arithmetic,
    chosen,
    dropped,
    explore,
    generate,
    grid,
    header,
    inspect,
    invert,
    learn,
    mix,
    train,
    write,
)
from aigc_core.demo.inference import place_shipped_models
from aigc_core.demo.language import t, text
from aigc_core.demo.models import default_model, offered_models
from aigc_core.demo.server import Page, queued, serve
from aigc_core.demo.theme import HEAD, Studio
from aigc_core.demo.visitor import errors_shown, token_of
from aigc_core.loading import load_checkpoint
from aigc_core.sampling.grid import SIDES, apart, is_grid
from aigc_core.terminal import run_program

TABS = ("generate", "write", "grid", "explore", "mix", "invert", "train", "learn", "inspect", "about")
FITS = {
    "write": write.fits,
    "grid": grid.fits,
    "explore": explore.fits,
    "mix": mix.fits,
    "invert": invert.fits,
    "train": train.is_offered,
}
"""Which tabs are shown only for models that can do what they are for, or where the process may do it."""
NOTE_TAB = """() => {
  if (!window.studioShown) return;  // the first tab opens by itself, before the address was read
  const url = new URL(location.href);
  url.searchParams.set('tab', '%s');
  history.replaceState(null, '', url);
}"""
NOTE_OPENING = "(...values) => { document.body.classList.add('opening'); return values; }"
NOTE_OPENED = "() => document.body.classList.remove('opening')"
CLICK = "() => document.getElementById('%s').click()"
"""Starts, through a button that nobody sees, what follows many events alike: Gradio would want a copy for each."""
BRING_BACK = """() => {
  document.getElementById('bring-back').click();
  window.scrollTo({top: 0, behavior: 'smooth'});  // to what is brought back, from an example below it
}"""
UNLISTED: Any = {"api_visibility": "private"}


@dataclass
class View:
    """What a tab shows of the model: drawn when the tab is opened, and anew when the model changes while it is open.

    `fill` takes the visitor's token and the values of `inputs`, of which the first is empty until the page has read
    its address; it returns the values of `outputs`, or an iterator of such as they grow. What the visitor did in the
    tab stays until one of the first `watched` inputs has changed other than by `fill`.
    """

    tab: gr.Tab
    fill: Callable[..., Any]
    inputs: list[Any]
    outputs: list[Any]
    watched: int = 1
    show_progress: Literal["full", "hidden"] = "full"

    def __post_init__(self) -> None:
        self.drawn = gr.State([])  # what `watched` was when this visitor's tab was drawn last; changed in place

    def after(self, event: Any, name: str, open_tab: gr.Textbox) -> Any:
        """Draw when an event is over, if this tab is the open one; returns the event that draws."""

        def if_open(
            visitor: gr.OAuthToken | None, opened: str, drawn: list[Any], *values: Any
        ) -> Iterator[dict[Any, Any]]:
            wanted = list(values[: self.watched])
            if opened != name or not values[0] or wanted == drawn:
                yield dict.fromkeys(self.outputs, gr.skip())
                return
            drawn[:] = wanted  # at once, as opening the tab and what changed the model may coincide
            try:
                filled = self.fill(visitor, *values)
                for shown in filled if isinstance(filled, Iterator) else [filled]:
                    updates = dict(zip(self.outputs, shown))
                    drawn[:] = [updates.get(place, value) for place, value in zip(self.inputs, wanted)]
                    yield updates
            except gr.Error:
                drawn.clear()  # so that opening the tab again tries again
                raise

        inputs = [open_tab, self.drawn, *self.inputs]
        return event.then(if_open, inputs, self.outputs, show_progress=self.show_progress, **UNLISTED)


def hiding(tabs: Sequence[str]) -> str:
    """HTML that hides tabs: Gradio keeps the buttons of tabs that are made invisible once the page is there."""
    buttons = ", ".join(f'button[data-tab-id="{name}"]' for name in tabs)
    return f"<style>{buttons} {{ display: none }}</style>" if tabs else ""


def restored(wanted: SampleRequest, visitor: gr.OAuthToken | None, tab: str = TABS[0]) -> list[Any]:
    """Which tab is open and which are shown, the header and Generate's controls, as a request has them.

    A tab that does not fit the model gives way to Generate. Raises AIGCError if the model cannot be opened.
    """
    token = token_of(visitor)
    checkpoint = load_checkpoint(wanted.checkpoint, token)
    fitting = {name: fits(checkpoint) for name, fits in FITS.items()}
    tab = tab if tab in TABS and fitting.get(tab, True) else TABS[0]
    return [
        tab,
        gr.Tabs(selected=tab),
        hiding([name for name, shown in fitting.items() if not shown]),
        gr.Button(visible=fitting["explore"]),
        *header.chosen(wanted.checkpoint, token),
        *generate.controls_for(wanted, token),
    ]


def first_model(tab: str, token: str | None) -> str:
    """The model that a visitor sees first: where the address names a tab alone, one that the tab is for.

    Raises AIGCError where there is no model at all.
    """
    first, fits = default_model(), FITS.get(tab)
    if fits is None:
        return first
    for name in [first, *offered_models()]:
        with suppress(AIGCError):  # of a broken run, or one that this visitor may not open
            if fits(load_checkpoint(name, token)):
                return name
    return first


def state_of_address(request: gr.Request, visitor: gr.OAuthToken | None) -> list[Any]:
    """What the page's address asks for, or the defaults: the map, the mix, the grid, the tab, and the controls."""
    tab = request.query_params.get("tab", TABS[0])
    with errors_shown():
        if "checkpoint" in request.query_params:
            try:
                shared = generate.request_of_link(f"?{request.query_params}")
                return [*where_of(request.query_params), *restored(shared, visitor, tab)]
            except AIGCError as error:
                gr.Warning(t(error.sentence))
        first = first_model(tab, token_of(visitor))
        wanted = SampleRequest(checkpoint=first, seed=generate.SEED, count=generate.COUNT)
        return [*where_of({}), *restored(wanted, visitor, tab)]


def where_of(query: Mapping[str, str]) -> list[Any]:
    """Where the map, A − B + C, the mix and the grid are in an address. Raises AIGCError for what is no request."""
    return [*explore.where_of(query), *arithmetic.where_of(query), *mix.where_of(query), *grid.where_of(query)]


def restore(visitor: gr.OAuthToken | None, canonical: str) -> list[Any]:
    """The link, which is empty until its samples are drawn, the sides of the grid, and the state of a canonical
    request, shown in Generate, or in Grid if it is one of a grid."""
    with errors_shown():
        wanted = SampleRequest.from_canonical(canonical)
        if not is_grid(wanted):
            return [gr.skip(), gr.skip(), *restored(wanted, visitor)]
        shared, sides = apart(wanted)
        query = {"checkpoint": shared.checkpoint} | dict(zip(SIDES, sides))
        return ["", *grid.where_of(query), *restored(shared, visitor, "grid")]


def change_model(
    visitor: gr.OAuthToken | None, tab: str, model: str, step: str, seed: float, count: float
) -> list[Any]:
    """The state of another model or step: the same seeds, and everything else as it is at first."""
    with errors_shown():
        return restored(generate.request_of(header.reference_of(model, step), seed, count), visitor, tab)


def build(trains: bool = False) -> gr.Blocks:
    """The page; `trains`: with the tab Train, for whoever sits at the machine."""
    if trains:
        train.offer()
    with Page(title="AIGC Studio", delete_cache=(3600, 7200)) as page:
        head = header.build()
        reference = head.reference
        open_tab = gr.Textbox(TABS[0], visible=False)
        hidden_tabs = gr.HTML(hiding(list(FITS)), elem_id="hidden-tabs", apply_default_css=False)
        with gr.Tabs(selected=TABS[0]) as tabs:
            with gr.Tab(text("Generate"), id="generate") as generate_tab:
                creating = generate.build(reference)
            with gr.Tab(text("Write"), id="write") as write_tab:
                writing = write.build(reference)
            with gr.Tab(text("Grid"), id="grid") as grid_tab:
                varying = grid.build(reference, creating.link)
            with gr.Tab(text("Explore"), id="explore") as explore_tab:
                exploring = explore.build(creating, reference)
            with gr.Tab(text("Mix"), id="mix") as mix_tab:
                mixing = mix.build(reference)
            with gr.Tab(text("Invert"), id="invert") as invert_tab:
                inverting = invert.build(reference)
            if trains:
                with gr.Tab(text("Train"), id="train") as train_tab:
                    training = train.build()
            with gr.Tab(text("Learn"), id="learn") as learn_tab:
                learning = learn.build()
            with gr.Tab(text("Inspect"), id="inspect") as inspect_tab:
                inspecting = inspect.build()
            with gr.Tab(text("About this model"), id="about") as about_tab:
                telling = about.build(reference)
        dropped_file = dropped.build()
        views = {
            "write": View(write_tab, write.open_link, [creating.link], writing.fitted, show_progress="hidden"),
            "grid": View(grid_tab, grid.fit, [creating.link, reference, *varying.inputs], varying.outputs, watched=3),
            "explore": View(
                explore_tab,
                explore.start_chart,
                [creating.link, reference, *exploring.where, exploring.between[0], *exploring.adding.terms],
                [
                    *exploring.where[:3],
                    exploring.names,
                    *exploring.chart,
                    *exploring.between,
                    *exploring.adding.terms,
                    *exploring.adding.seeds,
                    *exploring.adding.outputs,
                ],
                watched=3,  # the link, the model and the centre
            ),
            "mix": View(mix_tab, mix.fit, [reference, *mixing.where], mixing.outputs),
            "invert": View(invert_tab, invert.fit, [reference], inverting.fitted),
            "about": View(about_tab, about.about, [reference], telling),
        }
        fitting = [hidden_tabs, creating.to_explore]
        state = [open_tab, tabs, *fitting, head.model, head.step, reference, *creating.fitted]
        opening: Any = {**UNLISTED, "show_progress": "hidden", "js": NOTE_OPENING}
        fitted = gr.Button(visible="hidden", elem_id="fitted")
        generated = creating.remembered(creating.shown_by(fitted.click, reference))
        drawing = [view.after(generated, name, open_tab) for name, view in views.items()]

        def generated_after(event: Any) -> None:
            """Generate and draw what is open when an event has fitted the controls to a model."""
            for ended in (event.success, event.failure):  # Gradio 6 calls `then` after a success alone
                ended(None, None, None, js=NOTE_OPENED, **UNLISTED)
            event.success(None, None, None, js=CLICK % "fitted", **UNLISTED)

        wanted, bring_back = gr.State(""), gr.Button(visible="hidden", elem_id="bring-back")
        brought_back = [creating.link, *varying.where, *state]
        generated_after(bring_back.click(restore, wanted, brought_back, trigger_mode="always_last", **opening))

        def restoring(trigger: Any, find_request: Callable[..., str], inputs: list[Any]) -> None:
            """Let an event bring back, in Generate or in Grid, the request that a function finds."""
            found = trigger(find_request, inputs, wanted, **UNLISTED)
            found.success(None, None, None, js=BRING_BACK, **UNLISTED)

        generate_tab.select(partial(str, TABS[0]), None, open_tab, js=NOTE_TAB % TABS[0], **UNLISTED)
        for name, view in views.items():
            noted = view.tab.select(partial(str, name), None, open_tab, js=NOTE_TAB % name, **UNLISTED)
            drawing.append(view.after(noted, name, open_tab))
        if trains:
            selected = train_tab.select(partial(str, "train"), None, open_tab, js=NOTE_TAB % "train", **UNLISTED)
            training.refresh_with(selected, open_tab)
            restoring(training.open_in_generate.click, train.request_of_run, [training.run])
        learning.begin_with(learn_tab.select(partial(str, "learn"), None, open_tab, js=NOTE_TAB % "learn", **UNLISTED))
        inspect_tab.select(partial(str, "inspect"), None, open_tab, js=NOTE_TAB % "inspect", **UNLISTED)
        page.load(generate.remembered, creating.past, [creating.past, creating.history], **UNLISTED)
        addressed = [*exploring.where, *exploring.adding.terms, *mixing.where, *varying.where, *state]
        generated_after(page.load(state_of_address, None, addressed, **opening))
        for dropdown, step in ((head.model, gr.State("")), (head.step, head.step)):
            inputs = [open_tab, head.model, step, *creating.controls[:2]]
            changed = dropdown.input(change_model, inputs, state, **opening)
            changed.failure(header.named, reference, [head.model, head.step], show_progress="hidden", **UNLISTED)
            generated_after(changed)

        for name, button in creating.examples.items():
            restoring(button.click, partial(str, generate.EXAMPLES[name]), [])
        restoring(creating.history.select, generate.recall, [creating.past])
        restoring(exploring.open_in_generate.click, explore.request_of_choice, [exploring.chart[0]])
        restoring(inspecting.open_in_generate.click, inspect.request_of_file, [inspecting.file])
        restoring(dropped_file.upload, inspect.request_of_file, [dropped_file])
        dropped_file.upload(lambda: None, None, dropped_file, **UNLISTED)  # so that the next one can be dropped
        restoring(mixing.open_in_generate.click, mix.request_of_blend, mixing.blend_inputs)
        restoring(creating.choice.reuse.click, chosen.reused, [creating.choice.single, creating.controls[1]])
        restoring(varying.cells.select, grid.request_of_cell, [varying.requests])
        restoring(creating.choice.derived.select, chosen.derived_request, [creating.choice.requests])
        to_explore = partial(gr.Tabs, selected="explore")
        creating.choice.to_explore.click(str, creating.choice.single, exploring.where[0], **UNLISTED).success(
            to_explore, None, tabs, **UNLISTED
        )
        creating.to_explore.click(generate.first_request, creating.link, exploring.where[0], **UNLISTED).success(
            to_explore, None, tabs, **UNLISTED
        )
        inverting.to_explore.click(invert.place_found, inverting.found, exploring.where[0], **UNLISTED).success(
            to_explore, None, tabs, **UNLISTED
        )
        writing.stop_by_button(drawing)
        inverting.keep.click(explore.keep_found, [inverting.found, exploring.kept[0]], exploring.kept, **UNLISTED)
        api(offered_models, api_name="models")
    return queued(page)


def port(text: str) -> int:
    """A port's number. Raises ValueError, of which argparse makes a sentence, if it is none."""
    if not 0 < int(text) < 2**16:
        raise ValueError
    return int(text)


def port_to_serve(host: str, wanted: int | None) -> int:
    """The port to listen at: the wanted one, or else the first that is free from Gradio's own on.

    Raises AIGCError if the wanted one cannot be listened to, and if `host` is not an address of this machine.
    """
    address = host.removeprefix("[").removesuffix("]")
    first = INITIAL_PORT_VALUE if wanted is None else wanted
    if first >= 2**16:
        raise AIGCError(
            "GRADIO_SERVER_PORT is {first}, but ports end at {last}; choose another one.", first=first, last=2**16 - 1
        )
    for number in range(first, min(first + TRY_NUM_PORTS, 2**16)):
        try:
            family, kind, *_, place = socket.getaddrinfo(address, number, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
                probe.listen()
        except OSError as error:
            if error.errno == EADDRINUSE:
                continue
            raise AIGCError(
                "Port {number} of '{host}' cannot be listened to ({reason}); choose another --host or --port.",
                number=number,
                host=host,
                reason=error.strerror,
            ) from None
        if wanted not in (None, number):
            raise AIGCError(
                "Port {wanted} is in use; {number} is free: add --port {number}.", wanted=wanted, number=number
            )
        return number
    raise AIGCError("Port {first} and those after it are in use; choose another --port.", first=first)


def main() -> None:
    """Serve the page. Raises AIGCError where that is not possible."""
    parser = argparse.ArgumentParser(description="AIGC Studio in a browser")
    parser.add_argument("--host", default=LOCALHOST_NAME, help="the address to listen at; by default %(default)s")
    parser.add_argument("--port", type=port, help=f"by default the first that is free from {INITIAL_PORT_VALUE} on")
    parser.add_argument("--mcp", action="store_true", help="also serve the API as tools for language models (MCP)")
    arguments = parser.parse_args()
    if arguments.mcp and find_spec("mcp") is None:
        raise AIGCError("--mcp needs the package mcp; run `pip install 'gradio[mcp]'`.")
    number = port_to_serve(arguments.host, arguments.port)
    place_shipped_models()
    serve(
        build(trains=is_for_one(arguments.host)),
        server_name=arguments.host,
        server_port=number,
        theme=Studio(),
        head=HEAD,
        i18n=text,
        footer_links=["api", "settings"],
        mcp_server=arguments.mcp,
    )


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run_program(main))
