"""The tab Grid: the first picture of Generate over any two settings, as a sheet to click in and a picture to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import torch
from gradio.events import api

from aigc_core.checkpoint.reference import CheckpointReference, step_number
from aigc_core.families.base import Capability, StyleModel
from aigc_core.loading import load_checkpoint
from aigc_core.pipeline import Checkpoint
from aigc_core.rng import MAX_SEED
from aigc_core.sampling.edits import OFFSET
from aigc_core.sampling.grid import CLASS, FINAL, MAX_VALUES, SEED, STEP, Axis, Grid, axis_names, check_has_pictures
from aigc_core.sampling.labels import join_entries, split_entries
from aigc_core.sampling.request import SampleRequest

from ..errors import AIGCError, Sentence
from .generate import NUM_DIRECTIONS, class_choices, direction_label, request_of, request_of_link
from .inference import draw, said_of_directions, visible_directions
from .language import t, text
from .models import FIRST_CHOICE, earlier_steps
from .options import control_of, parse_options
from .pictures import served_folder, sheet, sheet_html, tiles
from .visitor import errors_shown, token_of

MAX_CELLS = 144
NUM_VALUES, NUM_SEEDS, NUM_CHOSEN = 5, 8, 10
"""How many values of an option, seeds, and classes or steps a side has to begin with."""
TITLES = {
    SEED: Sentence("Seed"),
    CLASS: Sentence("Class"),
    STEP: Sentence("Training step"),
    "mix_seed": Sentence("Styles from seed"),
    "mix_layer": Sentence("from layer"),
}
Wanted = tuple[str, str, str]
"""A model, and the columns and rows that an address or a request wants of it, each as NAME=VALUES."""
NOTHING: Wanted = ("", "", "")

# The address tells what the grid is, beside what Generate shows; the link is that of the whole page.
NOTE_GRID = """query => {
  const url = new URL(query, location.href), here = new URL(location.href);
  for (const side of ['grid_x', 'grid_y']) here.searchParams.set(side, url.searchParams.get(side));
  history.replaceState(null, '', here);
  return url.href;
}"""


@dataclass
class GridTab:
    """What the page refers to: `where` as `where_of` reads it from an address, `inputs` as `fit` takes them after the
    link and the reference, `outputs` as it returns them, and the requests of the cells of the sheet."""

    where: list[Any]
    inputs: list[Any]
    outputs: list[Any]
    cells: gr.HTML
    requests: gr.State


def fits(checkpoint: Checkpoint) -> bool:
    """Whether there is something to vary, beside the seed, of samples that can be looked at side by side."""
    varied = set(axis_names(checkpoint)) - {SEED, STEP}
    return checkpoint.modality.has_pictures and (bool(varied) or Capability.LATENT in checkpoint.model.capabilities)


def where_of(query: Mapping[str, str]) -> list[Wanted]:
    """The model and the sides in an address. Raises AIGCError for what is no reference."""
    return [(_model(query.get("checkpoint", "")), query.get("grid_x", ""), query.get("grid_y", ""))]


def sides(checkpoint: Checkpoint, token: str | None) -> dict[str, str]:
    """What can be varied, by name, and what a visitor reads of it."""
    fields = checkpoint.model.options_type.model_fields
    titles = TITLES | {name: field.title or name.replace("_", " ").capitalize() for name, field in fields.items()}
    has_steps = bool(_steps(checkpoint, token))
    named = {name: t(titles[name]) for name in axis_names(checkpoint) if name != STEP or has_steps}
    directions = visible_directions(checkpoint.reference, NUM_DIRECTIONS, token)
    said = said_of_directions(checkpoint.reference, directions, token)
    for rank, name in enumerate(directions, 1):
        named[OFFSET + name] = direction_label(rank, name, said[name], t)
    return named


def _steps(checkpoint: Checkpoint, token: str | None) -> list[str]:
    """The steps of its training, oldest first, as a side has them."""
    return [str(step_number(name)) for name in earlier_steps(_model(checkpoint.reference), token)]


def choices_of(name: str, checkpoint: Checkpoint, token: str | None) -> list[tuple[str, str]]:
    """What the values of a side are chosen from, as label and value; empty where they are numbers or words."""
    if name == CLASS:
        return class_choices(checkpoint.config)
    if name == STEP:
        return [(f"{int(step):,}", step) for step in _steps(checkpoint, token)] + [(t("final"), FINAL)]
    field = checkpoint.model.options_type.model_fields.get(name)
    control = control_of(name, field) if field else None
    values = control.choices if control and control.kind == "menu" else ()
    values = ("false", "true") if control and control.kind == "switch" else values
    return [(str(value), str(value)) for value in values]


def first_values(name: str, checkpoint: Checkpoint, base: SampleRequest, token: str | None) -> str:
    """The values of a side before the visitor has said any; empty where only the visitor knows some."""
    if choices := choices_of(name, checkpoint, token):
        values = [value for _, value in choices]
        if name == STEP and len(values) > NUM_CHOSEN:  # from the first to the last
            values = [values[k * (len(values) - 1) // (NUM_CHOSEN - 1)] for k in range(NUM_CHOSEN)]
        return join_entries(values[:NUM_CHOSEN])
    if name in (SEED, "mix_seed"):
        first = min(base.seed if name == SEED else base.seed + 1000, MAX_SEED - NUM_SEEDS)
        return f"{first}-{first + NUM_SEEDS - 1}"
    if name.startswith(OFFSET):
        return "-3, -1.5, 0, 1.5, 3"
    if name == "mix_layer":
        return (
            f"0-{min(checkpoint.model.num_layers, MAX_VALUES) - 1}" if isinstance(checkpoint.model, StyleModel) else ""
        )
    control = control_of(name, checkpoint.model.options_type.model_fields[name])
    if control is None or control.kind not in ("slider", "number"):
        return ""
    low, high = control.minimum, control.maximum
    if control.step and float(control.step).is_integer():  # such as a number of steps, of which few more matter much
        numbers = [2**power for power in range(NUM_VALUES)]
        return ", ".join(str(n) for n in numbers if (low is None or n >= low) and (high is None or n <= high))
    if low is None or high is None:
        return str(checkpoint.model.options_type.model_fields[name].default)
    return ", ".join(f"{low + (high - low) * k / (NUM_VALUES - 1):g}" for k in range(NUM_VALUES))


def first_sides(names: Sequence[str]) -> tuple[str, str]:
    """What the columns and the rows are before the visitor has said: the classes, or else the seeds, over the model's
    first option, or else over what there is."""
    across = CLASS if CLASS in names else SEED
    others = [name for name in names if name not in (SEED, CLASS, STEP)]
    return across, others[0] if others else next(name for name in names if name != across)


def fit(visitor: gr.OAuthToken | None, link: str, reference: str, wanted: Wanted, fitted: str, *said: str) -> list[Any]:
    """The controls for a model and its grid around the first picture of a link.

    `wanted`: the sides to begin with, if the model has them; until the page shows them, as opening the tab and drawing
    the picture may both fit it. `said`: the names and values of the columns and of the rows, which stay unless another
    model than `fitted` is shown.
    """
    with errors_shown():
        token = token_of(visitor)
        checkpoint, base = load_checkpoint(reference, token), request_of_link(link).singles()[0]
    names, model = sides(checkpoint, token), _model(reference)
    begins = wanted[0] == model and any(wanted[1:])
    x, across, y, down = [part for side in wanted[1:] for part in side.partition("=")[::2]] if begins else said
    still_wanted = wanted if begins and said != (x, across, y, down) else NOTHING
    if not begins and fitted != model:
        across = down = ""
    if x not in names or y not in names or x == y:
        (x, y), across, down = first_sides(list(names)), "", ""
    across, down = across or first_values(x, checkpoint, base, token), down or first_values(y, checkpoint, base, token)
    shown = [*_side(names, x, y, across, checkpoint, token), *_side(names, y, x, down, checkpoint, token)]
    return [still_wanted, model, *shown, *draw_grid(visitor, link, x, across, y, down)]


def change_columns(visitor: gr.OAuthToken | None, link: str, reference: str, *said: str) -> list[Any]:
    """What `fit` returns when the columns have become another setting, with its first values."""
    x, _, y, down = said
    return fit(visitor, link, reference, NOTHING, _model(reference), x, "", y, down)


def change_rows(visitor: gr.OAuthToken | None, link: str, reference: str, *said: str) -> list[Any]:
    """The same for the rows."""
    x, across, y, _ = said
    return fit(visitor, link, reference, NOTHING, _model(reference), x, across, y, "")


def _model(reference: str) -> str:
    """A checkpoint, whatever the step of its training."""
    return str(replace(CheckpointReference.parse(reference), revision=""))


def _side(
    names: Mapping[str, str], own: str, other: str, values: str, checkpoint: Checkpoint, token: str | None
) -> list[Any]:
    """Updates of a side's menu, which does not offer what the other has, of its values and of what they are chosen
    from."""
    choices = choices_of(own, checkpoint, token)
    offered = {value for _, value in choices}
    return [
        gr.Dropdown(choices=[(title, name) for name, title in names.items() if name != other], value=own),
        values,
        gr.Dropdown(choices=choices, value=[v for v in split_entries(values) if v in offered], visible=bool(choices)),
    ]


def draw_grid(
    visitor: gr.OAuthToken | None, link: str, x: str, across: str, y: str, down: str
) -> tuple[str, list[str], str, str]:
    """The sheet of a grid around the first picture of a link, the requests of its cells, the file with its labels, and
    its address as a query."""
    with errors_shown():
        token, request = token_of(visitor), request_of_link(link)
        grid = _drawn(request, (x, across), (y, down), token)
        kind, weights = grid.checkpoint.modality, grid.checkpoint.weights_sha256
        top, left = grid.labels()
        titles = [f"{row} × {column}" for row in left for column in top]
        names = [cell.canonical() for cell in grid.requests]
        pictures = tiles(grid.stored.numpy(), names, weights, kind)
        shown = sheet_html(list(zip(pictures, titles)), len(top), top=top, left=left)
        query = {"tab": "grid", "grid_x": f"{x}={across}", "grid_y": f"{y}={down}"}
    return shown, names, _file_of(grid), f"?{request.canonical()}&{urlencode(query)}"


def draw_said(visitor: gr.OAuthToken | None, link: str, *said: str) -> list[Any]:
    """What `draw_grid` returns for what the visitor has said, and that nothing else is wanted any more."""
    return [NOTHING, *draw_grid(visitor, link, *said)]


def _file_of(grid: Grid) -> str:
    """Its labelled picture in a served folder. Raises AIGCError when the disk is full or not writable."""
    name = CheckpointReference.parse(grid.checkpoint.reference).name
    path = served_folder() / f"{name}-{grid.x.name}-{grid.y.name}.png"
    grid.save(path)
    return str(path)


def _drawn(request: SampleRequest, x: tuple[str, str], y: tuple[str, str], token: str | None) -> Grid:
    """A grid around the first sample of a request, each side a name and its values.

    Raises AIGCError for sides that the model does not have, wrong values and too many cells.
    """
    checkpoint = load_checkpoint(request.checkpoint, token)
    across, down = (Axis.parse(*side, checkpoint.config) for side in (x, y))
    cells = len(across.values) * len(down.values)
    if cells > MAX_CELLS:
        raise AIGCError("This grid has {count} cells; at most {limit} are drawn here.", count=cells, limit=MAX_CELLS)
    check_has_pictures(checkpoint.modality)
    return Grid.around(
        checkpoint,
        request,
        across,
        down,
        lambda some: torch.from_numpy(draw([each.canonical() for each in some], token)),
    )


def grid(
    checkpoint: str = FIRST_CHOICE, x: str = "seed=1-8", y: str = "truncation=0.5,0.7,1", seed: int = 0,
    labels: str = "", options: str = "", visitor: gr.OAuthToken | None = None,
) -> gr.FileData:  # fmt: skip
    """Generate a picture with labels of each value of one setting with each value of another.

    Args:
        checkpoint: as in /generate.
        x: of the columns: seed, class, step or an option of the model's family, and its values as a list or a range:
            "seed=1-8", "class=Bag,Coat", "step=100,final", "temperature=0.5,1".
        y: of the rows, likewise.
        seed: of all cells, unless a side is the seed.
        labels: a class or a mix of all cells, as in /generate.
        options: other options of all cells by name: "guidance=2".

    Returns:
        A PNG.
    """
    with errors_shown():
        token = token_of(visitor)
        request = request_of(checkpoint, seed, 1, labels, "", parse_options(options), token=token)
        across, down = ((name.strip(), values) for name, _, values in (str(x).partition("="), str(y).partition("=")))
        return gr.FileData(path=_file_of(_drawn(request, across, down, token)))


def request_of_cell(requests: list[str], event: gr.EventData) -> str:
    """The canonical request of the cell that was clicked."""
    return requests[int(event.index) % len(requests)]


def build(reference: gr.Textbox, link: gr.Textbox) -> GridTab:
    """The tab's components and the events that stay inside it; `link`: that of Generate."""
    gr.Markdown(
        text(
            "The first picture of Generate, with two settings varied. Values are a list such as 0.5, 0.7, 1 or a range "
            "such as 1-8. Click a picture to open it in Generate."
        ),
        elem_classes="lead",
    )
    wanted, fitted, requests = gr.State(NOTHING), gr.State(""), gr.State([])
    address = gr.Textbox(visible=False)
    controls: list[Any] = []
    with gr.Row(elem_classes="wide"):
        with gr.Column(scale=4, min_width=290, elem_classes="controls"):
            for side, title in (("x", Sentence("Columns")), ("y", Sentence("Rows"))):
                controls += [
                    gr.Dropdown([], label=text(title), elem_id=f"grid-{side}"),
                    gr.Textbox(label=text("Values"), max_lines=1, elem_id=f"grid-{side}-values"),
                    gr.Dropdown(
                        [],
                        multiselect=True,
                        max_choices=MAX_VALUES,
                        label=text("Choose from"),
                        visible=False,
                        elem_id=f"grid-{side}-choices",
                    ),
                ]
            start = gr.Button(text("Draw the grid"), variant="primary", elem_id="grid-draw")
        with gr.Column(scale=9, min_width=300, elem_classes="stage first"):
            cells = sheet("grid")
            with gr.Row(elem_classes="chips"):
                label: Any = text("Download the grid (PNG)")  # Gradio says it is a str, and translates it all the same
                file = gr.DownloadButton(label, size="sm", elem_id="grid-file")
            shared = gr.Textbox(
                label=text("Link to exactly this grid"), interactive=False, buttons=["copy"], elem_id="grid-link"
            )
    x, across, from_x, y, down, from_y = controls
    drawn = [cells, requests, file, address]
    private: Any = {"api_visibility": "private"}
    said = [link, x, across, y, down]
    outputs = [wanted, fitted, *controls, *drawn]
    x.input(change_columns, [link, reference, *said[1:]], outputs, **private)
    y.input(change_rows, [link, reference, *said[1:]], outputs, **private)
    for choices, values in ((from_x, across), (from_y, down)):
        choices.input(join_entries, choices, values, show_progress="hidden", **private).success(
            draw_said, said, [wanted, *drawn], trigger_mode="always_last", **private
        )
    for trigger in (across.submit, down.submit, start.click):
        trigger(draw_said, said, [wanted, *drawn], **private)
    address.change(None, address, shared, js=NOTE_GRID, **private)
    api(grid, api_name="grid")
    return GridTab([wanted], [wanted, fitted, *said[1:]], outputs, cells, requests)
