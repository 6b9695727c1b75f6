"""A leaderboard and its comparisons as one page of HTML, frozen: it needs no server and asks for nothing."""

from __future__ import annotations

import base64
import html
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aigc_core.errors import AIGCError, Sentence
from aigc_core.evaluation.comparison import MARKED, compare
from aigc_core.evaluation.results import FIGURES, neighbours_path
from aigc_core.hub.resolve import resolve_reference
from aigc_core.metrics.estimate import Estimate
from aigc_core.translation import translate

from .leaderboard import Entry, Row, by_protocol, collect, dispute, disputed, is_better, ranked
from .recipes import ranked_recipes, recipe_groups, single_runs_warning
from .tables import protocol_note

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; white-space: nowrap }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #8884; text-align: right }
th:nth-child(2), td:nth-child(2) { text-align: left }
figure { display: inline-block; margin: .5rem 1rem .5rem 0; vertical-align: top }
figure img { max-width: 22rem; image-rendering: pixelated }
figcaption, .small { color: #868b9b; font-size: .9rem; overflow-wrap: anywhere }
"""
TITLE = "<title>AIGC Studio</title>"
ROW_HEIGHT, PLOT_WIDTH, NAME_WIDTH = 26, 420, 260
"""Pixels of the chart of intervals."""


def evaluated_entries(sources: Sequence[str]) -> list[Entry]:
    """The evaluated checkpoints of sources; a warning names each that is broken.

    Raises AIGCError where all are broken or none has been evaluated.
    """
    entries = collect(sources)
    evaluated = [entry for entry in entries if entry.results]
    broken = [entry for entry in entries if entry.problem]
    if broken and broken == entries:
        first = broken[0]
        raise AIGCError("'{reference}' cannot be shown: {problem}", reference=first.reference, problem=first.problem)
    for entry in broken:
        warnings.warn(
            Sentence("Not all of '{reference}' is shown: {problem}", reference=entry.reference, problem=entry.problem),
            stacklevel=2,
        )
    if not evaluated:
        raise AIGCError("None of these has been evaluated; run: python -m aigc_core evaluate CHECKPOINT")
    return evaluated


def is_report(file: Path) -> bool:
    """Whether a file is a page that `report_page` made."""
    return file.is_file() and TITLE in file.read_text(encoding="utf-8", errors="replace")


def sample_pictures(entries: Sequence[Entry]) -> dict[str, Path]:
    """The pictures of samples that checkpoints have, by reference; what lies on the Hub is pulled for them."""
    pictures = {}
    for entry in entries:
        if entry.config and entry.config.sample_kind.preview_file.endswith(".png"):
            preview = resolve_reference(entry.reference) / entry.config.sample_kind.preview_file
            if preview.is_file():
                pictures[entry.reference] = preview
    return pictures


def report_page(
    entries: Sequence[Entry],
    pictures: Mapping[str, Path],
    figure: str,
    language: str,
    show_training_images: Callable[[Entry], bool] = lambda entry: True,
) -> str:
    """The page: per protocol a table ranked as the dashboard ranks, a chart, verdicts, pictures of samples, and audits.

    `pictures`: image files of samples, by reference; they become part of the page. `figure`: what is ranked by.
    `show_training_images`: of which checkpoints the page may hold pictures of the samples beside the training images
    nearest to them, as far as an evaluation here drew any.
    """

    def word(sentence: str, **values: object) -> str:
        return html.escape(translate(sentence, language, **values))

    parts = []
    for group in by_protocol(list(entries)).values():
        measured = [name for name in FIGURES if any(name in result.figures for _, result in group)]
        if not measured:
            continue
        by = figure if figure in measured else measured[0]
        rows, protocol = ranked(group, by), group[0][1].protocol
        parts += [
            f"<h2>{html.escape(f'{protocol.dataset} · {protocol.split}')}</h2>",
            f"<p class=small>{html.escape(protocol_note(protocol))}</p>",
            _table(
                ["#", word("Checkpoint"), *map(_title, measured), word("Samples seen")],
                [
                    [
                        row.rank,
                        row.name,
                        *(row.result.figures.get(name) for name in measured),
                        f"{row.result.samples_seen:,}",
                    ]
                    for row in rows
                ],
            ),
            _intervals(rows, by),
        ]
        recipes = ranked_recipes(recipe_groups(group), by)
        if recipes:
            cells = [
                [row.rank, row.group.name, *((one := row.group.figure(name)) and one.mean for name in measured)]
                for row in recipes
            ]
            parts += [f"<h3>{word('Recipes')}</h3>", _table(["#", word("Recipe"), *map(_title, measured)], cells)]
        parts += [f"<p>{sentence}</p>" for sentence in _verdicts(rows, by, language)]
        parts += [f"<p class=small>{sentence}</p>" for sentence in _caveats(rows, by, language)]
        parts += [
            f"<figure><img alt='{word('Samples')}' src='{_embedded(pictures[row.entry.reference])}'>"
            f"<figcaption>{html.escape(row.name)}</figcaption></figure>"
            for row in rows
            if row.entry.reference in pictures
        ]
        audits = [
            (row.name, path)
            for row in rows
            if row.result.neighbours and row.entry.folder and show_training_images(row.entry)
            if (path := neighbours_path(row.result, row.entry.folder)).is_file()
        ]
        if audits:
            parts += [
                f"<h3>{word('Nearest training images')}</h3>",
                f"<p class=small>{word('Left the sample, then the training images nearest to it.')}</p>",
                *(
                    f"<figure><img alt='{word('Nearest training images')}' src='{_embedded(path)}'>"
                    f"<figcaption>{html.escape(name)}</figcaption></figure>"
                    for name, path in audits
                ),
            ]
    ranks = word(
        "Figures with their 95 % intervals. A rank is one plus the number of checkpoints that are better beyond doubt, "
        "so checkpoints that cannot be told apart share it, as do those of which another judge says the opposite; as a "
        "table of n compares n (n − 1) / 2 pairs, doubt is by Holm's correction."
    )
    return (
        f"<!doctype html><html lang={language}><meta charset=utf-8>"
        # Whatever a name may hold, the page asks for nothing and runs nothing.
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; img-src data:; style-src "
        "'unsafe-inline'\"><meta name=viewport content='width=device-width'>"
        f"{TITLE}<style>{STYLE}</style>"
        f"<h1>{word('Leaderboard')}</h1><p>{ranks}</p>{''.join(parts)}</html>\n"
    )


def _title(name: str) -> str:
    return html.escape(f"{FIGURES[name].title} {FIGURES[name].arrow}")


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """`head` is HTML, the cells are not."""
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape('—' if cell is None else str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    heads = "".join(f"<th>{cell}</th>" for cell in head)
    return f"<div class=wide><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"


def _intervals(rows: Sequence[Row], figure: str) -> str:
    """A chart of a figure as SVG: points with their intervals, the best rank above."""
    shown = [(row.name, row.result.figures[figure]) for row in rows if figure in row.result.figures]
    low = min(value.low for _, value in shown)
    span = max(value.high for _, value in shown) - low or 1.0

    def place(value: float) -> float:
        return round(NAME_WIDTH + 10 + (value - low) / span * (PLOT_WIDTH - 20), 1)

    marks = [_interval(name, value, ROW_HEIGHT * (line + 0.5), place) for line, (name, value) in enumerate(shown)]
    width, height = NAME_WIDTH + PLOT_WIDTH, ROW_HEIGHT * (len(shown) + 1)
    high = low + span
    axis = "".join(
        f"<text x={place(at)} y={height - 8} text-anchor={anchor} fill-opacity=.6>{at:.3g}</text>"
        for at, anchor in ((low, "start"), ((low + high) / 2, "middle"), (high, "end"))
    )
    axis += f"<text x={NAME_WIDTH - 8} y={height - 8} text-anchor=end fill-opacity=.6>{_title(figure)}</text>"
    return (
        f"<div class=wide><svg role=img aria-label='{_title(figure)}' width={width} height={height} "
        f"xmlns='http://www.w3.org/2000/svg' font-size=13 fill=currentColor>{''.join(marks)}{axis}</svg></div>"
    )


def _interval(name: str, value: Estimate, y: float, place: Callable[[float], float]) -> str:
    cut = name if len(name) <= 34 else f"…{name[-33:]}"
    return (
        f"<g><title>{html.escape(f'{name}: {value}')}</title>"
        f"<text x={NAME_WIDTH - 8} y={y + 4} text-anchor=end>{html.escape(cut)}</text>"
        f"<line x1={place(value.low)} x2={place(value.high)} y1={y} y2={y} stroke=currentColor stroke-opacity=.5 />"
        f"<circle cx={place(value.value)} cy={y} r=4 fill='#5b6cff' /></g>"
    )


def _verdicts(rows: Sequence[Row], figure: str, language: str) -> list[str]:
    """How the best compares with each of the others, as HTML, where the ranks tell them apart."""
    shown = [row for row in rows if figure in row.result.figures]
    best = shown[0]
    sentences = []
    for other, beyond_doubt in zip(shown[1:], is_better(shown, figure)[0, 1:]):
        verdict = compare(best.result, other.result, figure)
        marked = html.escape(translate(MARKED[verdict.outcome if beyond_doubt else "tie"], language))
        words = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", marked)
        values = {
            "a": best.name,
            "b": other.name,
            "figure": translate(FIGURES[figure].title, language),
            "first": best.result.figures[figure],
            "second": other.result.figures[figure],
            "share": verdict.share,
        }
        sentences.append(words.format(**{name: html.escape(str(value)) for name, value in values.items()}))
    return sentences


def _caveats(rows: Sequence[Row], figure: str, language: str) -> list[str]:
    """What another judge disputes in a table, and how little single runs say about their recipes, as HTML."""
    sentences = [dispute(extractor, pairs) for extractor, pairs in disputed(rows, figure).items()]
    measured = [(row.entry, row.result) for row in rows]
    known = recipe_groups(measured)
    for row, other in zip(rows[1:], measured[1:]):
        if warning := single_runs_warning(known, [measured[0], other], (rows[0].name, row.name), figure):
            sentences.append(warning)
    return [html.escape(translate(sentence, language)) for sentence in sentences]


def _embedded(picture: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"
