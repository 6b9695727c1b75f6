"""What the app shows of each shipped model: the tabs and controls of what it can do, and no others."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.components.base import FormComponent

import app
from aigc_core import Checkpoint
from aigc_core.checkpoint.layout import CONFIG_FILE
from aigc_core.demo import about, explore, generate, invert, learn, train
from aigc_core.demo.language import text
from aigc_core.evaluation.results import FIGURES, read_results
from aigc_core.families.base import Capability
from aigc_core.sampling.directions import kept_directions
from aigc_core.sampling.request import SampleRequest

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
SHIPPED = sorted(config.parent.name for config in CHECKPOINTS.glob(f"*/{CONFIG_FILE}"))
TABS = {
    ("gan", "image"): {"grid", "explore", "invert"},
    ("vae", "image"): {"grid", "explore", "invert"},
    ("flow", "image"): {"grid", "explore", "invert"},
    ("vqvae", "image"): {"grid"},
    ("flow", "audio"): {"grid", "explore", "invert"},
    ("autoregressive", "text"): {"write"},
}
"""Beside Generate and About this model; an image model with classes also has Mix."""


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_has_the_tabs_and_controls_of_what_it_can_do(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CHECKPOINTS.parent)
    checkpoint = Checkpoint.from_pretrained(CHECKPOINTS / name)
    config = checkpoint.config
    tabs = TABS[config.family, config.modality]
    if config.num_classes and config.modality == "image":
        tabs = tabs | {"mix"}
    assert {tab for tab, fits in app.FITS.items() if fits(checkpoint)} - {"train"} == tabs
    if "explore" in tabs:  # kept, as finding them takes a minute where little computes
        assert kept_directions(checkpoint) is not None

    with gr.Blocks():
        tab = generate.build(gr.Textbox())
    updates = generate.controls_for(SampleRequest(checkpoint=f"checkpoints/{name}"))
    shown = {built._id for built, update in zip(tab.fitted, updates) if getattr(update, "visible", True)}
    seed, count, classes, prompt, *options, mix_seed, mix_layer, others = tab.controls
    options, sliders = options[: -generate.NUM_DIRECTIONS], options[-generate.NUM_DIRECTIONS :]
    can = checkpoint.model.capabilities
    assert {seed._id, count._id} <= shown
    assert (classes._id in shown) == (config.num_classes > 0)
    assert (prompt._id in shown) == (Capability.PROMPT in can)
    assert sum(option._id in shown for option in options) == len(checkpoint.model.options_type.model_fields)
    for directed in (*sliders, *tab.strips):
        assert (directed._id in shown) == ("explore" in tabs and config.modality == "image")
    for mixed in (mix_seed, mix_layer):
        assert (mixed._id in shown) == (Capability.STYLES in can)
    assert others._id not in shown


def test_no_value_of_a_control_is_a_text_that_gradio_would_translate() -> None:
    """It translates each string of a component that is a key, so that nothing would be chosen any more."""
    values = set()
    for component in app.build(trains=True).blocks.values():
        if isinstance(component, FormComponent):
            values |= {str(component.value), *(str(value) for _, value in getattr(component, "choices", None) or [])}
    keys = {key for texts in text.translations.values() for key in texts}
    assert {"spherical", "linear", "python"} <= values and any("spherical" in key for key in keys)
    assert not values & keys


def test_an_event_shows_its_progress_where_its_samples_come_and_nowhere_else() -> None:
    """What Gradio is sent, since it looks every component named there up at every step of every event."""
    page = app.build(trains=True)
    names = {number: component.elem_id for number, component in page.blocks.items()}
    shown = {}
    for event, sent in zip(page.fns.values(), page.get_config_file()["dependencies"], strict=True):
        assert sent["show_progress_on"] is not None and len(sent["show_progress_on"]) <= 2
        if sent["show_progress"] == "hidden":
            assert sent["show_progress_on"] == []
        elif event.fn in (generate.show, explore.draw_chart_anew, train.begin, invert.invert):
            shown[event.fn.__name__] = [names[number] for number in sent["show_progress_on"]]
    assert shown == {
        "show": ["images", "samples"],
        "draw_chart_anew": ["map"],
        "begin": ["run"],
        "invert": ["nearest"],
    }


def test_a_tab_is_drawn_once_for_events_that_coincide_and_not_for_what_it_set_itself() -> None:
    calls = []

    def fill(visitor: gr.OAuthToken | None, link: str, centre: str) -> list[str]:
        calls.append((link, centre))
        return [f"around {link}", "picture"]

    with gr.Blocks():
        tab, link, centre, picture, open_tab = gr.Tab("Map"), gr.State(""), gr.State(""), gr.HTML(), gr.Textbox()
        view = app.View(tab, fill, [link, centre], [centre, picture], watched=2)
        draw = view.after(tab.select(str, picture, picture), "map", open_tab).fn
    drawn: list[str] = []
    unchanged = {centre: gr.skip(), picture: gr.skip()}
    assert list(draw(None, "map", drawn, "", "")) == [unchanged]  # the page has not read its address yet
    first = draw(None, "map", drawn, "seed=1", "")
    assert next(first) == {centre: "around seed=1", picture: "picture"}
    assert list(draw(None, "map", drawn, "seed=1", "around seed=1")) == [unchanged]
    assert list(draw(None, "mix", drawn, "seed=2", "around seed=1")) == [unchanged]
    assert calls == [("seed=1", "")]
    assert len(list(draw(None, "map", drawn, "seed=2", "around seed=1"))) == 1
    assert len(list(draw(None, "map", drawn, "seed=2", "elsewhere"))) == 1
    assert calls[1:] == [("seed=2", "around seed=1"), ("seed=2", "elsewhere")]

    def coincide(visitor: gr.OAuthToken | None, link: str, centre: str) -> list[str]:
        assert list(draw(None, "map", drawn, link, centre)) == [unchanged]
        return fill(visitor, link, centre)

    view.fill = coincide
    assert len(list(draw(None, "map", drawn, "seed=3", ""))) == 1
    assert calls[3:] == [("seed=3", "")]


@pytest.mark.parametrize(("name", "compared"), [("python", "compared as they are"), ("mnist", "features of mnist-")])
def test_about_explains_each_figure_and_what_was_compared(name: str, compared: str) -> None:
    for result in read_results(CHECKPOINTS / name):
        table = about.figures(result)
        assert table.count("info-sign") == len({*result.figures, *result.min_samples})
        assert all(f'aria-label="{html.escape(FIGURES[figure].meaning)}"' in table for figure in result.figures)
        assert compared in table


def test_answers_of_the_api_that_are_no_text_are_told() -> None:
    with pytest.raises(gr.Error, match="A movie leads through images, and not through sounds"):
        explore.interpolate(checkpoint=str(CHECKPOINTS / "drums"))
    wrong: list[Any] = [7, {"temperature": 1}, [1]]
    for options in wrong:
        with pytest.raises(gr.Error, match="Options are text such as"):
            generate.generate(checkpoint=str(CHECKPOINTS / "mnist"), count=1, options=options)
        with pytest.raises(gr.Error, match="Options are text such as"):
            generate.generate(checkpoint=str(CHECKPOINTS / "mnist"), count=1, offsets=options)
    with pytest.raises(gr.Error, match="Choose an answer first"):
        learn.tell("discriminator", 1, "9" * 5000 + ",²")


def test_the_hint_of_classes_names_those_of_the_model() -> None:
    updates = generate.controls_for(SampleRequest(checkpoint=str(CHECKPOINTS / "drums")))
    classes = next(each for each in updates if isinstance(each, gr.Dropdown))
    assert classes.info and classes.info.endswith("kick:0.7+snare:0.3")
