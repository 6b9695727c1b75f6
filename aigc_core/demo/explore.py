"""The tab Explore: a map of the latent plane to click in, and the way between the samples that were kept: a movie, or a
row of players."""

from __future__ import annotations

import html
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

import gradio as gr
import numpy as np
import torch
from gradio.events import api

from aigc_core.families.base import Capability
from aigc_core.loading import load_checkpoint
from aigc_core.modalities.movie import write_movie
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.edits import LatentEdits
from aigc_core.sampling.request import REQUEST, SampleRequest

from ..config import parse_config
from ..errors import AIGCError, Sentence
from . import arithmetic
from .generate import GenerateTab, direction_label, request_of_link
from .inference import (
    LatentPoint,
    directions_of,
    draw_around,
    draw_map,
    draw_movie,
    map_ticks,
    said_of_directions,
)
from .language import t, text
from .models import FIRST_CHOICE
from .pictures import journey_html, large_html, listing, served_folder, sheet, sheet_html, tiles
from .visitor import errors_shown, token_of

if TYPE_CHECKING:
    from aigc_core.sampling.directions import Directions

SIDE = 9
NUM_AXES = 12
LEAD = Sentence(
    "A map of the latent plane. The middle is your image; left and right, up and down follow two directions. Click a "
    "picture to look at it, then keep it or make it the new middle."
)
LEAD_OF_SOUNDS = Sentence(
    "A map of the latent plane. The middle is your sound; left and right, up and down follow two directions. Click a "
    "spectrogram to hear it, then keep it or make it the new middle."
)
MAX_KEPT = 12
AUTOMATIC = 0
"""The reach of a map that reaches as far as the model is good."""
LEAST_REACH, MOST_REACH = 0.5, 6
FRAMES = 20
LEAST_FRAMES, MOST_FRAMES = 5, 60
LEAST_PLAYED, MOST_PLAYED = 1, 8
"""Between two sounds, which are heard one by one."""

# The address tells where the map is, beside what Generate shows.
NOTE_MAP = """map => {
  const url = new URL(location.href);
  for (const [name, value] of new URLSearchParams(map)) url.searchParams.set(name, value);
  history.replaceState(null, '', url);
}"""

Kept = list[tuple[LatentPoint, str]]
Wanted = tuple[str | None, float]
"""How far a map is to reach, and around which request: another one is reached around as far as the model is good. ""
stands for the one that is drawn first, and None for a place that no request makes."""


@dataclass
class Chart:
    """A map as it was drawn: SIDE × SIDE places row by row, their samples [N, …] and pictures, and which one was
    clicked."""

    places: list[LatentPoint]
    stored: np.ndarray
    pictures: list[str]
    chosen: int = SIDE * SIDE // 2

    @property
    def place(self) -> LatentPoint:
        """The chosen place."""
        return self.places[self.chosen]


@dataclass
class ExploreTab:
    """The components and states that the page refers to.

    `where`: the centre and the axes of the map, and the reach that is wanted there; `names`: what the axes are chosen
    from, as label and value; `chart`: what `draw_chart` returns; `kept`: what was kept, and its sheet; `between`: what
    the way between what was kept is made with and shown as, and what the tab says of itself; `adding`: A − B + C.
    """

    where: list[Any]
    names: gr.State
    chart: list[Any]
    kept: list[Any]
    between: list[Any]
    adding: arithmetic.Arithmetic
    open_in_generate: gr.Button


def fits(checkpoint: Checkpoint) -> bool:
    """Whether a model can be explored: it has smooth latents, and its samples can be looked at side by side."""
    return Capability.LATENT in checkpoint.model.capabilities and checkpoint.modality.has_pictures


def draw_chart(
    visitor: gr.OAuthToken | None, centre: LatentPoint | str, x: str | None, y: str | None, reach: float
) -> tuple[Chart, str, str, str, int | None, str, Wanted, float]:
    """The chart around a place or a canonical request, its sheet, the view and the seed of its middle, its address, and
    how far it reaches, as it stays wanted there and as the slider shows it.

    `reach`: 0 for as far as `Directions.reach` finds the model good.
    """
    with errors_shown():
        token = token_of(visitor)
        if not centre:
            raise AIGCError("Generate a sample first; the map is drawn around it.")
        if not x or not y or x == y:
            raise AIGCError("Choose two different directions for the map.")
        stored, places, reach = draw_map(centre, x, y, round(reach, 1), SIDE, token)
        checkpoint = load_checkpoint(places[0].checkpoint, token)
        said = said_of_directions(checkpoint.reference, (x, y), token)
    requests = [place.request for place in places]
    chart = Chart(places, stored, tiles(stored, requests, checkpoint.weights_sha256, checkpoint.modality))
    ticks = map_ticks(reach, SIDE)
    titles = [f"{across:+g} / {up:+g}" for up in reversed(ticks) for across in ticks]
    scale = [f"{tick:+g}" if tick else "0" for tick in ticks]
    shown = sheet_html(list(zip(chart.pictures, titles)), SIDE, chart.chosen, top=scale, left=scale[::-1])
    names = (f"{arrow} {html.escape(t(said[name] or name))}" for arrow, name in (("→", x), ("↑", y)))
    shown = f'<p class="axes">{" &nbsp; ".join(names)}</p>{shown}'
    seed = arithmetic.seed_of(chart.place)
    address = urlencode({"centre": chart.place.request, "x": x, "y": y, "reach": reach})
    around = centre if isinstance(centre, str) else None
    return chart, shown, *view(visitor, chart), seed, address, (around, reach), reach


def draw_chart_anew(
    visitor: gr.OAuthToken | None, centre: LatentPoint | str, x: str | None, y: str | None
) -> tuple[Chart, str, str, str, int | None, str, Wanted, float]:
    """`draw_chart` around another middle or along other axes, as far as the model is good there."""
    return draw_chart(visitor, centre, x, y, AUTOMATIC)


def draw_chart_as_far(
    visitor: gr.OAuthToken | None, centre: LatentPoint | str, x: str | None, y: str | None, reach: float
) -> tuple[Any, ...]:
    """What `draw_chart` returns without the slider's value, which the visitor is moving."""
    return draw_chart(visitor, centre, x, y, reach)[:-1]


def axes(known: Directions, names: list[str], x: str | None, y: str | None) -> tuple[str, str]:
    """The directions of the two axes of the map: those asked for, or where one is wrong or both are the same, the
    strongest, and one that crosses it."""
    across = x if x in names else next((name for name in names if name != y), names[0])
    others = [name for name in names if name != across] or names
    return across, y if y in others else known.crossing(across, others)


def axis_menus(names: list[tuple[str, str]], x: str, y: str) -> list[Any]:
    """Updates of the menus of the two axes, of which neither offers what the other has."""
    return [
        gr.Dropdown(choices=[choice for choice in names if choice[1] != other], value=own)
        for own, other in ((x, y), (y, x))
    ]


def where_of(query: Mapping[str, str]) -> list[Any]:
    """Centre, axes and reach of the map in an address. Raises AIGCError for a centre that is no request."""
    centre = query.get("centre", "")
    if centre:
        SampleRequest.from_canonical(centre)
    reach = query.get("reach", "")
    wanted = float(reach) if re.fullmatch(r"\d(\.\d)?", reach) else AUTOMATIC
    known = wanted if LEAST_REACH <= wanted <= MOST_REACH else AUTOMATIC
    return [centre, query.get("x"), query.get("y"), ("", known)]


def view(visitor: gr.OAuthToken | None, chart: Chart) -> tuple[str, str]:
    """The chosen sample, large, and what makes it."""
    with errors_shown():
        made = load_checkpoint(chart.place.checkpoint, token_of(visitor))
        stored = chart.stored[chart.chosen : chart.chosen + 1]
        shown = chart.pictures[chart.chosen]
        picture = large_html(stored, shown, chart.place.request, made.weights_sha256, made.modality)
    if not chart.place.request:
        return picture, ""
    request = SampleRequest.from_canonical(chart.place.request)
    return picture, " · ".join(
        [
            f"seed {request.seed}",
            *(f"{name} {value:+g}" for name, value in LatentEdits.of_options(request.options).offsets.items()),
        ]
    )


def choose(visitor: gr.OAuthToken | None, chart: Chart | None, event: gr.EventData) -> tuple[Chart | None, str, str]:
    """The view of the picture that was clicked."""
    if chart is None:
        return None, "", ""
    chart.chosen = int(event.index) % len(chart.places)
    return chart, *view(visitor, chart)


def start_chart(
    visitor: gr.OAuthToken | None, link: str, reference: str, centre: LatentPoint | str, x: str, y: str,
    wanted: Wanted, frames: float, *terms: LatentPoint | str,
) -> list[Any]:  # fmt: skip
    """The centre, the axes, what they are chosen from, and the chart of a model when the tab is opened, around what was
    looked at or the first sample; what the way between samples is made with; and A − B + C of the `terms`."""
    with errors_shown():
        token = token_of(visitor)
        known = directions_of(reference, token)
        names = known.strongest(NUM_AXES)
        place = centre if isinstance(centre, LatentPoint) else SampleRequest.from_canonical(centre)
        if place.checkpoint != reference:
            centre = request_of_link(link).model_copy(update={"count": 1}).canonical()
    x, y = axes(known, names, x, y)
    labelled = [(direction_label(rank, name, known.said(name)), name) for rank, name in enumerate(names, 1)]
    checkpoint = load_checkpoint(reference, token)
    played = checkpoint.modality.is_played
    least, most = (LEAST_PLAYED, MOST_PLAYED) if played else (LEAST_FRAMES, MOST_FRAMES)
    label = text("Sounds between two" if played else "Frames between two images")
    between = [
        gr.Slider(minimum=least, maximum=most, value=min(max(frames, least), most), label=label),
        gr.Button(text("Hear the way" if played else "Make the movie")),
        *((gr.Video(visible=False), *[gr.DownloadButton(visible=False)] * 2) if played else [gr.skip()] * 3),
        gr.HTML(visible=played),
        gr.Markdown(t(LEAD_OF_SOUNDS if played else LEAD)),
    ]
    with errors_shown():
        own = arithmetic.terms_of(link, checkpoint, reference, terms)
    added = [*own, *map(arithmetic.seed_of, own), *arithmetic.draw_terms(visitor, link, reference, *own)]
    around, reach = wanted
    chart = draw_chart(visitor, centre, x, y, reach if around in ("", centre) else AUTOMATIC)
    return [centre, *axis_menus(labelled, x, y), labelled, *chart, *between, *added]


def keep(chart: Chart | None, kept: Kept) -> tuple[Kept, str]:
    """The chosen place joins those that were kept."""
    with errors_shown():
        if chart is None:
            raise AIGCError("Click on the map first.")
    return kept_with(kept, chart.place, chart.pictures[chart.chosen])


def kept_with(kept: Kept, place: LatentPoint, picture: str) -> tuple[Kept, str]:
    """The kept places of one model with a new one at the end, and their sheet; the oldest leave if they are many."""
    kept = [pair for pair in kept if pair[0].checkpoint == place.checkpoint][-MAX_KEPT + 1 :] + [(place, picture)]
    return kept, sheet_html([(picture, f"{number + 1}") for number, (_, picture) in enumerate(kept)])


def forget(kept: Kept, event: gr.EventData) -> tuple[Kept, str]:
    """Without the kept picture that was clicked."""
    kept = [pair for number, pair in enumerate(kept) if number != int(event.index)]
    return kept, sheet_html([(picture, f"{number + 1}") for number, (_, picture) in enumerate(kept)])


def keep_seeds(visitor: gr.OAuthToken | None, link: str, kept: Kept) -> tuple[Kept, str]:
    """Four new seeds, drawn as Generate's images are, join those that were kept."""
    with errors_shown():
        token, request = token_of(visitor), request_of_link(link)
        shown = ""
        for single in request.model_copy(update={"seed": random.randrange(1_000_000), "count": 4}).singles():
            images, places = draw_around(single.canonical(), [{}], token)
            made = load_checkpoint(request.checkpoint, token)
            (picture,) = tiles(images, [places[0].request], made.weights_sha256, made.modality)
            kept, shown = kept_with(kept, places[0], picture)
    return kept, shown


def make_movie(
    visitor: gr.OAuthToken | None, kept: Kept, curve: Literal["linear", "spherical"], frames: float,
    progress: Any = gr.Progress(),  # noqa: B008  (Gradio's way to ask for a progress bar)
) -> tuple[gr.Video, gr.DownloadButton, gr.DownloadButton, gr.HTML]:  # fmt: skip
    """The way through the kept places: a looping movie, the MP4 to show and both files to download; or, where samples
    are heard, a row of players from the first to the last."""
    with errors_shown():
        if len(kept) < 2:
            raise AIGCError("Keep at least two of them first, to see or hear the way between.")
        progress(0.1, desc="")
        token = token_of(visitor)
        places: list[LatentPoint | str] = [place for place, _ in kept]
        made = load_checkpoint(kept[0][0].checkpoint, token)
        played = made.modality.is_played
        drawn = draw_movie(places, int(frames) + played, curve, token, not played)
        if played:
            row = journey_html(drawn, made.weights_sha256, made.modality)
            return gr.Video(), gr.DownloadButton(), gr.DownloadButton(), gr.HTML(row)
        folder = served_folder()
        for share, kind in ((0.5, "mp4"), (0.8, "gif")):
            progress(share, desc=kind.upper())
            write_movie(folder / f"journey.{kind}", torch.from_numpy(drawn))
    mp4, gif = str(folder / "journey.mp4"), str(folder / "journey.gif")
    return (
        gr.Video(mp4, visible=True),
        gr.DownloadButton(value=mp4, visible=True),
        gr.DownloadButton(value=gif, visible=True),
        gr.HTML(),
    )


def keep_found(found: tuple[LatentPoint, str] | None, kept: Kept) -> tuple[Kept, str]:
    """A place that was found by inversion joins those that were kept."""
    with errors_shown():
        if found is None:
            raise AIGCError("Find the nearest image or sound first.")
    gr.Info(t("Kept: it lies in Explore, on the way between those you kept."))
    return kept_with(kept, *found)


def request_of_choice(chart: Chart | None) -> str:
    """The canonical request of the chosen place."""
    with errors_shown():
        if chart is None or not chart.place.request:
            raise AIGCError("This was not made from a seed, so Generate cannot show it; keep it instead.")
    return chart.place.request


def interpolate(
    checkpoint: str = FIRST_CHOICE, seed: int = 0, count: int = 4, labels: str = "", truncation: float = 1.0,
    frames: int = FRAMES, curve: Literal["linear", "spherical"] = "spherical", format: Literal["mp4", "gif"] = "mp4",
    visitor: gr.OAuthToken | None = None,
) -> gr.FileData:  # fmt: skip
    """Make a looping movie through images.

    Args:
        checkpoint: as in /generate.
        seed: of the first image; the others have the seeds after it.
        count: how many images, 2 to 12.
        labels: classes, as in /generate.
        truncation: as in /generate.
        frames: how many lie between two images, 1 to 60.
        curve: linear or spherical.
        format: mp4 or gif.

    Returns:
        The movie.
    """
    with errors_shown():
        values = {"checkpoint": checkpoint, "seed": seed, "count": count, "labels": labels}
        values |= {} if truncation == 1 else {"truncation": truncation}
        request = parse_config(SampleRequest, values, REQUEST)
        if not 2 <= request.count <= MAX_KEPT:
            raise AIGCError("Request: 'count' is wrong: a movie leads through 2 to {limit} images.", limit=MAX_KEPT)
        if not (isinstance(frames, int) and 1 <= frames <= 60):
            raise AIGCError("Request: 'frames' is wrong: it is a whole number from 1 to 60.")
        if curve not in ("linear", "spherical") or format not in ("mp4", "gif"):
            raise AIGCError("Request: 'curve' is linear or spherical, and 'format' mp4 or gif.")
        modality = load_checkpoint(request.checkpoint, token_of(visitor)).modality
        if not modality.movies:
            raise AIGCError("A movie leads through images, and not through {samples}.", samples=modality.plural)
        stops: list[LatentPoint | str] = [single.canonical() for single in request.singles()]
        path = served_folder() / f"journey.{format}"
        write_movie(path, torch.from_numpy(draw_movie(stops, frames, curve, token_of(visitor))))
    return gr.FileData(path=str(path))


def reseeded(centre: LatentPoint | str, link: str, seed: float | None = None) -> str:
    """The centre's request with another seed (a new one if none is given)."""
    with errors_shown():
        request = SampleRequest.from_canonical(centre) if isinstance(centre, str) else request_of_link(link)
        values = request.model_dump() | {"count": 1, "seed": random.randrange(1_000_000) if seed is None else seed}
        return parse_config(SampleRequest, values, REQUEST).canonical()


def place_chosen(chart: Chart | None) -> LatentPoint | str:
    """The chosen place, as its canonical request where it has one."""
    with errors_shown():
        if chart is None:
            raise AIGCError("Click on the map first.")
    return chart.place.request or chart.place


def build(generate_tab: GenerateTab, reference: gr.Textbox) -> ExploreTab:
    """The tab's components and the events that stay inside it."""
    centre, chart_state, kept_state = gr.State(""), gr.State(None), gr.State([])
    address = gr.Textbox(visible=False)
    address.change(None, address, None, js=NOTE_MAP, api_visibility="private")
    lead = gr.Markdown(text(LEAD), elem_classes="lead", elem_id="explore-lead")
    with gr.Row(elem_classes="wide"):
        with gr.Column(scale=6, min_width=300, elem_classes="stage"):
            plane = sheet("map")
        with gr.Column(scale=4, min_width=290, elem_classes="controls"):
            with gr.Row():
                x = gr.Dropdown([], label=text("Left to right"), min_width=130, allow_custom_value=True)
                y = gr.Dropdown([], label=text("Bottom to top"), min_width=130, allow_custom_value=True)
            reach = gr.Slider(
                LEAST_REACH,
                MOST_REACH,
                LEAST_REACH,
                step=0.1,
                label=text("Reach (standard deviations)"),
                info=text("at first as far as 99 in 100 of the model's own samples lie"),
            )
            with gr.Row():
                seed = gr.Number(None, label=text("Seed"), min_width=110)
                dice = gr.Button(text("🎲 New seed"), min_width=110, elem_classes="dice")
            with gr.Row(equal_height=True):
                large = gr.HTML(elem_classes="pixels", elem_id="chosen", min_width=130)
                with gr.Column(min_width=140, elem_classes="controls"):
                    caption = gr.Markdown(elem_classes="caption", elem_id="place")
                    keep_it = gr.Button(text("Keep it"), variant="primary", size="sm", elem_id="keep")
                    centre_it = gr.Button(text("Make it the middle"), size="sm")
                    open_it = gr.Button(text("Open in Generate"), size="sm")
    gr.Markdown(text("### The way between those you kept"), elem_classes="section")
    with gr.Row(elem_classes="wide"):
        with gr.Column(scale=6, min_width=300, elem_classes="stage"):
            gr.Markdown(text("KEPT — CLICK TO REMOVE"), elem_classes="caption")
            kept_sheet = sheet("kept")
            with gr.Row():
                more = gr.Button(text("Add four new seeds"), size="sm", min_width=140)
                film = gr.Button(text("Make the movie"), variant="primary", size="sm", min_width=140, elem_id="film")
            with gr.Row():
                curve = gr.Radio(
                    [(text("spherical"), "spherical"), (text("linear"), "linear")],
                    value="spherical",
                    label=text("Path"),
                )
                frames = gr.Slider(LEAST_FRAMES, MOST_FRAMES, FRAMES, step=1, label=text("Frames between two images"))
        with gr.Column(scale=4, min_width=290, elem_classes="stage"):
            movie = gr.Video(
                show_label=False,
                autoplay=True,
                loop=True,
                height=260,
                elem_id="movie",
                interactive=False,
                visible=False,
            )
            with gr.Row():
                downloads = [
                    gr.DownloadButton(kind, size="sm", min_width=90, elem_id=f"movie-{kind}", visible=False)
                    for kind in ("MP4", "GIF")
                ]
    row = listing("way")
    adding = arithmetic.build(generate_tab.link, reference)
    unlisted: Any = {"api_visibility": "private"}
    wanted = gr.State(("", AUTOMATIC))
    where: list[Any] = [centre, x, y, wanted]
    names = gr.State([])
    chart: list[Any] = [chart_state, plane, large, caption, seed, address, wanted, reach]
    between = [frames, film, movie, *downloads, row, lead]
    tab = ExploreTab(where, names, chart, [kept_state, kept_sheet], between, adding, open_it)
    plane.select(choose, chart_state, [chart_state, large, caption], show_progress="hidden", **unlisted)
    for control in (x, y):
        control.input(draw_chart_anew, where[:3], tab.chart, **unlisted).success(
            axis_menus, [names, x, y], [x, y], show_progress="hidden", **unlisted
        )
    moved: Any = {"trigger_mode": "always_last", "show_progress": "hidden", **unlisted}
    reach.input(draw_chart_as_far, [*where[:3], reach], tab.chart[:-1], **moved)
    centred = centre_it.click(place_chosen, chart_state, centre, **unlisted)
    summed = adding.centre_it.click(arithmetic.place_of, adding.found, centre, **unlisted)
    rolled = dice.click(reseeded, [centre, generate_tab.link], centre, **unlisted)
    typed = seed.submit(reseeded, [centre, generate_tab.link, seed], centre, **unlisted)
    for event in (centred, summed, rolled, typed):
        event.success(draw_chart_anew, where[:3], tab.chart, **unlisted)
    keep_it.click(keep, [chart_state, kept_state], tab.kept, **unlisted)
    kept_sheet.select(forget, kept_state, tab.kept, **unlisted)
    adding.keep_it.click(keep_found, [adding.found, kept_state], tab.kept, **unlisted)
    for take, term, own_seed in zip(adding.take, adding.terms, adding.seeds):
        taken = take.click(place_chosen, chart_state, term, **unlisted)
        taken.success(arithmetic.seed_of, term, own_seed, show_progress="hidden", **unlisted)
        taken.success(arithmetic.draw_terms, [generate_tab.link, reference, *adding.terms], adding.outputs, **unlisted)
    more.click(keep_seeds, [generate_tab.link, kept_state], tab.kept, **unlisted)
    film.click(make_movie, [kept_state, curve, frames], [movie, *downloads, row], **unlisted)
    api(interpolate, api_name="interpolate")
    return tab
