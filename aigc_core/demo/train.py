"""The tab Train: from a data set or a folder to a model, watched while it learns.

A run is a process of its own (`aigc_core.serving.runs`) that the page only looks at: closing the page does not end it,
and two pages show the same. The tab is for whoever sits at the machine; where strangers use the process there is none.
"""

from __future__ import annotations

import html
import math
import threading
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from aigc_core.checkpoint.folder import step_folders
from aigc_core.checkpoint.reference import step_number
from aigc_core.errors import AIGCError, Sentence
from aigc_core.sampling.request import SampleRequest
from aigc_core.serving.runs import RUNS, Plan, RunStarter, RunStatus, State, free_name, known_runs
from aigc_core.training.messages import duration, per_second
from aigc_core.training.presets import preset_summary
from aigc_core.training.timeline import Measurement

from .generate import COUNT, SEED
from .language import page_language, t, text
from .pictures import as_data_uri
from .training_data import describe_data, fitting_presets, offered_data
from .visitor import errors_shown

NEW = ""
"""In the place of a run: a new one."""
DEFAULT_MINUTES = 10
REFRESH_SECONDS = 2.0
MAX_POINTS = 300
WIDTH, HEIGHT = 300, 90
STATES = {
    State.STARTING: Sentence("starting"),
    State.TRAINING: Sentence("training"),
    State.STOPPING: Sentence("saving and stopping"),
    State.PAUSED: Sentence("paused"),
    State.STOPPED: Sentence("stopped"),
    State.FINISHED: Sentence("finished"),
    State.FAILED: Sentence("failed"),
}
TOGETHER = (("real_logits", "fake_logits"),)
"""Measures that share a chart."""
MEASURES = {
    "loss": Sentence("Loss"),
    "generator_loss": Sentence("Generator's loss"),
    "discriminator_loss": Sentence("Discriminator's loss"),
    "real_logits": Sentence("Discriminator's score of real samples"),
    "fake_logits": Sentence("of generated samples"),
    "discriminator_accuracy": Sentence("How often the discriminator is right"),
    "reconstruction_error": Sentence("Error of reconstruction"),
    "divergence": Sentence("Divergence of the latents"),
    "bits_per_token": Sentence("Bits per token"),
    "bits_per_code": Sentence("Bits per code"),
    "code_perplexity": Sentence("Codes in even use"),
    "codes_used": Sentence("Codes in use"),
}

starter = RunStarter()
_offered = threading.Event()


def offer() -> None:
    """Let this process's pages have the tab: it serves nobody but whoever sits at the machine."""
    _offered.set()


def is_offered(_: object = None) -> bool:
    """Whether the pages have the tab, whatever the model."""
    return _offered.is_set()


@dataclass
class TrainTab:
    """What the page refers to: `watched` is in the order of `refresh`'s parameters after the first, `refreshed` in that
    of what it returns, and after the events `acted` there is something to see."""

    run: gr.Dropdown
    timer: gr.Timer
    watched: list[Any]
    refreshed: list[Any]
    acted: list[Any]
    open_in_generate: gr.Button

    def refresh_with(self, selected: Any, open_tab: gr.Textbox) -> None:
        """Follow the runs while the tab is open; `selected`: the event of its opening, when `open_tab` is set."""
        quiet: Any = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
        live: Any = {"fn": refresh, "inputs": [open_tab, *self.watched], "outputs": self.refreshed, **quiet}
        selected.then(chosen_run, self.run, self.run, **quiet).then(**live)
        self.run.change(**live)
        self.timer.tick(**live)
        for event in self.acted:
            event.then(**live)


def plan_of(data: str | None, preset: str | None, minutes: Any, name: str | None) -> Plan:
    """The run that the form describes. Raises AIGCError for what makes none."""
    if not data:
        raise AIGCError("Choose data first: a collection, or a folder of your own.")
    if not preset:
        raise AIGCError("Choose a recipe first.")
    if not isinstance(minutes, int | float) or not 0 < minutes < 1e6:
        raise AIGCError("The budget is a number of minutes above 0.")
    return Plan(preset, data.strip(), 60 * minutes, (name or "").strip() or free_name(_named_after(data, preset)))


def _named_after(data: str, preset: str) -> str:
    """What a run is called unless it is given a name: by its preset, and by the folder where that is one's own."""
    return preset if preset.partition("-")[0] in data else f"{Path(data).name}-{preset}"


def command_of(data: str | None, preset: str | None, minutes: Any, name: str | None) -> str:
    """What does the same in a terminal; empty as long as something is missing."""
    try:
        return plan_of(data, preset, minutes, name).command
    except AIGCError:
        return ""


def look_at_data(data: str | None) -> list[Any]:
    """Updates of the families and presets for data, and what the first preset makes of it."""
    if not data:
        return [gr.skip(), gr.skip(), "", ""]
    with errors_shown():
        fitting = fitting_presets(data.strip())
        if not fitting:
            raise AIGCError("There is no recipe for '{data}'.", data=data)
        first, families = next(iter(fitting)), list(dict.fromkeys(fitting.values()))
        return [
            gr.Dropdown(choices=families, value=fitting[first]),
            gr.Dropdown(choices=[name for name in fitting if fitting[name] == fitting[first]], value=first),
            preset_summary(first),
            describe_data(data.strip(), first),
        ]


def choose_family(data: str, family: str) -> list[Any]:
    """Updates of the presets of a family."""
    with errors_shown():
        names = [name for name, of_family in fitting_presets(data.strip()).items() if of_family == family]
        return [gr.Dropdown(choices=names, value=names[0]), preset_summary(names[0])]


def begin(data: str | None, preset: str | None, minutes: Any, name: str | None) -> Any:
    """Start a run and show it."""
    with errors_shown():
        plan = plan_of(data, preset, minutes, name)
        starter.start(plan, page_language())
        return gr.Dropdown(choices=run_choices(), value=plan.name)


def pause(run: str) -> None:
    """Let a run save and end; it is to go on."""
    with errors_shown():
        starter.stop(RUNS / run)


def stop(run: str) -> None:
    """Let a run save and end for good."""
    with errors_shown():
        starter.stop(RUNS / run, for_good=True)


def go_on(run: str) -> None:
    """Go on with a run."""
    with errors_shown():
        starter.go_on(RUNS / run, page_language())


def request_of_run(run: str) -> str:
    """The request of the first samples of a run's newest checkpoint."""
    with errors_shown():
        if not step_folders(RUNS / run):
            raise AIGCError("There is no checkpoint in '{folder}' yet.", folder=RUNS / run)
        return SampleRequest(checkpoint=str(RUNS / run), seed=SEED, count=COUNT).canonical()


def run_choices() -> list[tuple[str, str]]:
    """A new run, and those that there are."""
    return [(t("New run"), NEW), *((run.name, run.name) for run in known_runs())]


def chosen_run(run: str) -> Any:
    """The runs to choose from when the tab is opened. Unless one was chosen, that which goes on is; where none does,
    the page keeps what it has, which may be newer than this call."""
    choices = run_choices()
    running = [each.name for each in known_runs() if starter.status(each).is_running]
    if run not in (name for _, name in choices):
        return gr.Dropdown(choices=choices, value=NEW)
    if run == NEW and running:
        return gr.Dropdown(choices=choices, value=running[0])
    return gr.Dropdown(choices=choices)


def refresh(opened: str, run: str, moment: float, shown: list[Any]) -> list[Any]:
    """Updates of all that shows a run: only what has changed since `shown`, a run, its state, moments and lines."""
    if opened != "train":
        return [gr.Timer(active=False), *[gr.skip()] * 11]
    if not run or not (RUNS / run).is_dir():
        return [
            gr.Timer(active=False), [NEW], gr.Column(visible=True), gr.Column(visible=False), "", *[gr.skip()] * 7,
        ]  # fmt: skip
    status = starter.status(RUNS / run)
    count, lines = len(status.timeline.previews), len(status.timeline.measurements)
    now = [run, str(status.state), count, lines]
    before = shown if shown and shown[0] == run else [run, "", 0, -1]
    at_end = before[2] == 0 or moment >= before[2]
    new_moments = count != before[2]
    busy, ended = status.is_running, status.state in (State.PAUSED, State.STOPPED, State.FAILED)
    buttons = [
        gr.Button(visible=busy, interactive=status.state != State.STOPPING),
        gr.Button(visible=busy, interactive=status.state != State.STOPPING),
        gr.Button(visible=ended),
        gr.Button(visible=bool(step_folders(RUNS / run))),
    ]
    slider = gr.Slider(maximum=max(2, count), value=count if at_end else moment, visible=count > 1)
    return [
        gr.Timer(active=True),  # another page may go on with it
        now,
        gr.Column(visible=False),
        gr.Column(visible=True),
        status_html(run, status),
        *(buttons if now[:3] != before[:3] else [gr.skip()] * 4),
        slider if new_moments else gr.skip(),
        moment_html(status, count if at_end else int(moment)) if new_moments and (at_end or not moment) else gr.skip(),
        charts_html(status.timeline.measurements) if lines != before[3] else gr.skip(),
    ]


def show_moment(run: str, moment: float) -> str:
    """What the samples were like at a moment."""
    return moment_html(starter.status(RUNS / run), int(moment)) if run else ""


def status_html(run: str, status: RunStatus) -> str:
    """How a run is doing, in words and as a bar."""
    measured = status.timeline.measurements
    facts = []
    share = 0.0
    if measured:
        last = measured[-1]
        share = 1.0 if status.state == State.FINISHED else last.progress
        facts += [t("{samples:,} samples seen", samples=last.samples_seen), t(duration(last.seconds))]
        if status.is_running and status.rate:
            facts.append(t("{speed} samples a second", speed=per_second(status.rate)))
        if status.is_running and status.left_seconds is not None:
            facts.append(t("about {duration} left", duration=duration(status.left_seconds)))
    warned = [each.warning for each in measured[-5:] if each.warning]
    parts = [
        f'<header><b>{html.escape(run)}</b><span class="state {status.state.name.lower()}">'
        f"{t(STATES[status.state])}</span></header>",
        f'<div class="bar" role="progressbar" aria-valuenow="{share:.0%}"><i style="width:{share:.1%}"></i></div>',
        f"<p>{html.escape(' · '.join(facts))}</p>",
    ]
    if status.state == State.STARTING:
        parts.append(f"<p>{t('The data is being read; the first picture comes within a minute or so.')}</p>")
    parts += [f'<p class="warning">{html.escape(t(sentence))}</p>' for sentence in dict.fromkeys(warned)]
    if status.error:
        parts.append(f'<p class="warning">{html.escape(status.error)}</p>')
    return f'<div class="run-status">{"".join(parts)}</div>'


def moment_html(status: RunStatus, moment: int) -> str:
    """The samples of the fixed seeds at a moment, counted from 1, and what was measured then."""
    previews, measured = status.timeline.previews, status.timeline.measurements
    if not previews:
        return ""
    preview = previews[min(max(moment, 1), len(previews)) - 1]
    step = step_number(preview.stem) or 0
    near = min(measured, key=lambda each: abs(each.step - step), default=None)
    said = [t("step {step:,}", step=step)]
    if near:
        seen = round(near.samples_seen * step / max(1, near.step))
        said += [t("{samples:,} samples seen", samples=seen), t(duration(near.seconds))]
        said += [
            f"{_named(name)} {value:.3g}" for name, value in near.values.items() if "loss" in name or "logits" in name
        ]
    return f"{_preview_html(preview)}<p>{html.escape(' · '.join(said))}</p>"


def _preview_html(preview: Path) -> str:
    try:
        content = preview.read_bytes()
    except OSError:  # gone as the run went on from an earlier step
        return ""
    title = t("Samples of the same seeds")
    if preview.suffix == ".png":
        return f'<img src="{as_data_uri(content)}" alt="{title}">'
    if preview.suffix in (".wav", ".flac"):
        address = f"data:audio/{preview.suffix[1:]};base64,{b64encode(content).decode()}"
        return f'<audio controls src="{address}" aria-label="{title}"></audio>'
    return f"<pre>{html.escape(content.decode(errors='replace'))}</pre>"


def charts_html(measured: Sequence[Measurement], marked: int | None = None) -> str:
    """A small chart of each measure against the samples seen; some share one. A line stands at `marked` samples."""
    points = [each for each in measured if each.values]
    points = points[:: max(1, math.ceil(len(points) / MAX_POINTS))]
    names = list(dict.fromkeys(name for each in points for name in each.values))
    names.sort(key=lambda name: ("loss" not in name, "logits" not in name))
    groups = [next((each for each in TOGETHER if name in each), (name,)) for name in names]
    charts = [_chart(group, points, marked) for group in dict.fromkeys(groups)] if len(points) > 1 else []
    return f'<div class="charts">{"".join(charts)}</div>'


def _chart(names: Sequence[str], points: Sequence[Measurement], marked: int | None) -> str:
    series = {
        name: [(each.samples_seen, each.values[name]) for each in points if name in each.values] for name in names
    }
    values = [value for line in series.values() for _, value in line]
    low, high = min(values), max(values)
    first, last = points[0].samples_seen, points[-1].samples_seen
    lines = []
    for number, line in enumerate(series.values()):
        places = " ".join(
            f"{WIDTH * (at - first) / max(1, last - first):.1f},"
            f"{HEIGHT * (1 - (value - low) / ((high - low) or 1)):.1f}"
            for at, value in line
        )
        lines.append(f'<polyline class="line-{number}" points="{places}"/>')
    if marked is not None:
        place = WIDTH * min(max((marked - first) / max(1, last - first), 0.0), 1.0)
        lines.append(f'<line x1="{place:.1f}" x2="{place:.1f}" y1="0" y2="{HEIGHT}"/>')
    title = " · ".join(
        f'<span class="line-{number}">{html.escape(_named(name))} {line[-1][1]:.3g}</span>'
        for number, (name, line) in enumerate(series.items())
    )
    drawn = (
        f'<svg viewBox="0 -3 {WIDTH} {HEIGHT + 6}" preserveAspectRatio="none" aria-hidden="true">{"".join(lines)}</svg>'
    )
    scale = f'<div class="scale"><span>{high:.2g}</span><span>{low:.2g}</span></div>'
    return f"<figure><figcaption>{title}</figcaption><div>{scale}{drawn}</div></figure>"


def _named(measure: str) -> str:
    return t(MEASURES[measure]) if measure in MEASURES else measure.replace("_", " ")


def build() -> TrainTab:
    """The tab's components and the events that stay inside it."""
    private: Any = {"api_visibility": "private"}
    run = gr.Dropdown([(str(text("New run")), NEW)], value=NEW, label=text("Run"), elem_id="run")
    timer, shown = gr.Timer(REFRESH_SECONDS, active=False), gr.State([])
    with gr.Column(elem_id="train-form") as form, gr.Row(elem_classes="wide"):
        with gr.Column(scale=4, min_width=290, elem_classes="controls"):
            data = gr.Dropdown(
                offered_data(),
                value=None,
                label=text("Data"),
                info=text("a collection on this machine, or type the path of a folder of your own"),
                allow_custom_value=True,
                elem_id="train-data",
            )
            family = gr.Dropdown([], label=text("Family"), elem_id="train-family", interactive=True)
            preset = gr.Dropdown([], label=text("Recipe"), elem_id="train-preset", interactive=True)
            summary = gr.Markdown(elem_classes="lead")
            minutes = gr.Number(DEFAULT_MINUTES, label=text("Minutes"), minimum=0, elem_id="train-minutes")
            name = gr.Textbox(
                label=text("Name"), info=text("of the folder in runs/; empty: one is found"), elem_id="train-name"
            )
            start = gr.Button(text("Start training"), variant="primary", elem_id="train-start")
        with gr.Column(scale=9, min_width=300, elem_classes="stage"):
            looked = gr.HTML(elem_id="train-looked", apply_default_css=False)
            command = gr.Textbox(
                label=text("The same in a terminal"), interactive=False, buttons=["copy"], elem_id="train-command"
            )
    with gr.Column(visible=False) as live:
        status = gr.HTML(elem_id="train-status", apply_default_css=False)
        with gr.Row(elem_classes="chips"):
            pausing = gr.Button(text("Pause"), size="sm", min_width=90, elem_id="train-pause")
            stopping = gr.Button(text("Stop"), size="sm", min_width=90, elem_id="train-stop")
            going_on = gr.Button(text("Go on"), size="sm", min_width=90, elem_id="train-go-on", visible=False)
            opening = gr.Button(text("Open in Generate"), size="sm", min_width=120, elem_id="train-open", visible=False)
        with gr.Row(elem_classes="wide"):
            with gr.Column(scale=6, min_width=300, elem_classes="stage"):
                picture = gr.HTML(elem_id="train-picture", apply_default_css=False)
                moment = gr.Slider(1, 2, 1, step=1, label=text("Moment"), elem_id="train-moment", visible=False)
            with gr.Column(scale=5, min_width=290, elem_classes="stage"):
                charts = gr.HTML(elem_id="train-charts", apply_default_css=False)
    asked = [data, preset, minutes, name]
    data.change(look_at_data, data, [family, preset, summary, looked], **private).then(
        command_of, asked, command, **private
    )
    family.input(choose_family, [data, family], [preset, summary], **private).then(
        command_of, asked, command, **private
    )
    preset.input(preset_summary, preset, summary, show_progress="hidden", **private)
    for control in (preset, minutes, name):
        control.change(command_of, asked, command, show_progress="hidden", **private)
    moment.input(show_moment, [run, moment], picture, show_progress="hidden", trigger_mode="always_last", **private)
    refreshed = [timer, shown, form, live, status, pausing, stopping, going_on, opening, moment, picture, charts]
    acted = [
        start.click(begin, asked, run, show_progress_on=run, **private),
        pausing.click(pause, run, None, **private),
        stopping.click(stop, run, None, **private),
        going_on.click(go_on, run, None, **private),
    ]
    return TrainTab(run, timer, [run, moment, shown], refreshed, acted, opening)
