"""Controls for the sampler options that a model's family declares, whatever they are.

The page has a fixed number of sliders, boxes, menus, switches and lines of words; each model takes as many as its
options need, and what they are called, explained and bounded by comes from the fields of its `options_type`. What finds
no control of its own can be written into a line as NAME=VALUE.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import gradio as gr
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from aigc_core.families.base import SamplerOptions

from ..errors import AIGCError
from .language import t, text

Kind = Literal["slider", "number", "menu", "switch", "words"]
NUMBERS: dict[Kind, int] = {"slider": 6, "number": 3, "menu": 2, "switch": 2, "words": 2}
SLOTS: list[Kind] = [kind for kind, number in NUMBERS.items() for _ in range(number)]
MAX_TICKS = 2000
"""A range of more whole numbers than that is for a box, not for a slider."""


@dataclass(frozen=True)
class Control:
    """How an option is shown: `minimum`, `maximum` and `step` are of numbers, `choices` of menus."""

    kind: Kind
    name: str
    title: str
    description: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[Any, ...] = ()

    def update(self, value: Any) -> Any:
        """The component's update that shows the option with a value."""
        shown: dict[str, Any] = {"label": t(self.title), "value": value, "visible": True}
        shown["info"] = t(self.description) if self.description else None
        limits: dict[str, Any] = {"minimum": self.minimum, "maximum": self.maximum}
        match self.kind:
            case "slider":
                return gr.Slider(**limits, step=self.step, **shown)
            case "number":
                return gr.Number(
                    minimum=self.minimum, maximum=self.maximum, precision=0 if self.step else None, **shown
                )
            case "menu":
                return gr.Dropdown(choices=list(self.choices), **shown)
            case "switch":
                return gr.Checkbox(**shown)
            case "words":
                return gr.Textbox(**shown)


def control_of(name: str, field: FieldInfo) -> Control | None:
    """The control of a field, from its type, its constraints, its title and its description; None if it has none."""
    title, description = field.title or name.replace("_", " ").capitalize(), field.description or ""
    kinds = [part for part in get_args(field.annotation) or (field.annotation,) if part is not type(None)]
    if get_origin(field.annotation) is Literal:
        return Control("menu", name, title, description, choices=get_args(field.annotation))
    if kinds == [bool]:
        return Control("switch", name, title, description)
    if kinds == [str]:
        return Control("words", name, title, description)
    if kinds not in ([int], [float]):
        return None
    whole = kinds == [int]
    bounds = {type(bound): bound for bound in field.metadata}
    low = next((value for value in (_value(bounds, Ge, "ge"), _value(bounds, Gt, "gt")) if value is not None), None)
    high = next((value for value in (_value(bounds, Le, "le"), _value(bounds, Lt, "lt")) if value is not None), None)
    if low is None or high is None or field.default is None or (whole and high - low > MAX_TICKS):
        return Control("number", name, title, description, low, high, 1 if whole else None)
    step = 1.0 if whole else 10.0 ** (math.floor(math.log10(high - low)) - 2)
    low, high = low + step * (Gt in bounds), high - step * (Lt in bounds)
    return Control("slider", name, title, description, low, high, step)


def _value(bounds: Mapping[type, Any], kind: type, name: str) -> float | None:
    return getattr(bounds[kind], name) if kind in bounds else None


def slots(options_type: type[SamplerOptions]) -> list[Control | None]:
    """What each of SLOTS shows of a family's options."""
    controls = [control_of(name, field) for name, field in options_type.model_fields.items()]
    waiting = {kind: [each for each in controls if each and each.kind == kind] for kind in SLOTS}
    taken: Counter[Kind] = Counter()
    shown: list[Control | None] = []
    for kind in SLOTS:
        shown.append(waiting[kind][taken[kind]] if taken[kind] < len(waiting[kind]) else None)
        taken[kind] += 1
    return shown


def _without_slot(options_type: type[SamplerOptions]) -> list[str]:
    shown = {control.name for control in slots(options_type) if control}
    return [name for name in options_type.model_fields if name not in shown]


def build() -> list[Any]:
    """The components: one for each of SLOTS, hidden until a model needs it, and the line for what finds none."""
    made: dict[Kind, Any] = {
        "slider": lambda: gr.Slider(0, 1, 0, visible=False),
        "number": lambda: gr.Number(None, visible=False),
        "menu": lambda: gr.Dropdown([], visible=False),
        "switch": lambda: gr.Checkbox(False, visible=False),
        "words": lambda: gr.Textbox(visible=False),
    }
    return [*(made[kind]() for kind in SLOTS), gr.Textbox(label=text("More options"), visible=False)]


def updates(options: SamplerOptions) -> list[Any]:
    """Updates of all components of `build`, so that they show a model's options."""
    values = dict(options)
    hidden: dict[Kind, Any] = {
        "slider": gr.Slider(visible=False),
        "number": gr.Number(visible=False),
        "menu": gr.Dropdown(visible=False),
        "switch": gr.Checkbox(visible=False),
        "words": gr.Textbox(visible=False),
    }
    shown = slots(type(options))
    names = _without_slot(type(options))
    chosen = options.model_dump(exclude_defaults=True)
    line = ",".join(f"{name}={chosen[name]}" for name in names if name in chosen)
    return [
        *(each.update(values[each.name]) if each else hidden[kind] for kind, each in zip(SLOTS, shown)),
        gr.Textbox(value=line, visible=bool(names), info=", ".join(names)),
    ]


def chosen(options_type: type[SamplerOptions], values: Sequence[Any]) -> dict[str, Any]:
    """The options by name that the components' values say; empty boxes say nothing."""
    *own, line = values
    said = {each.name: value for each, value in zip(slots(options_type), own) if each and value is not None}
    return said | parse_options(line or "")


def parse_options(line: str) -> dict[str, str]:
    """The options of a line "NAME=VALUE,NAME=VALUE". Raises AIGCError for what is no text, as an answer of the API may
    be, and for a part that is not of that form."""
    if not isinstance(line, str):
        raise AIGCError("Options are text such as 'temperature=0.7,top_k=40', not {other}.", other=line)
    parts = [part.strip() for part in line.split(",") if part.strip()]
    for part in parts:
        if "=" not in part:
            raise AIGCError("An option is written as NAME=VALUE, not '{part}'.", part=part)
    return {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in parts)}
