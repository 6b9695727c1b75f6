"""Samples that stand out: seeds that changed most between two checkpoints, and the best and the worst of a class."""

from collections.abc import Callable

import streamlit as st
from language import t
from page import as_text, select
from samples import show_samples
from sources import visitor_token

from aigc_core import AIGCError
from aigc_core.evaluation.extremes import (
    class_judge,
    confidences,
    distances,
    in_order,
    judge_named,
    protocol_judge,
)
from aigc_core.evaluation.results import Protocol
from aigc_core.loading import load_checkpoint
from aigc_core.rng import MAX_SEED
from aigc_core.sampling.labels import class_entries
from aigc_core.sampling.request import SampleRequest
from aigc_core.serving.leaderboard import Entry

COUNTS = (64, 256, 1024)
PART = 64
"""So many seeds are measured at a time; what is measured is kept."""
SHOWN = 12
COLUMNS = 6


def _is_seen(entry: Entry) -> bool:
    """Whether its samples are images, or sounds, which judges see as spectrograms."""
    return entry.config is not None and entry.config.sample_kind.media in ("image", "audio")


@st.cache_data(max_entries=1024, show_spinner=False)
def _distances(
    references: tuple[str, str], folders: tuple[str, str], judge: str | None, start: int, _token: str | None
) -> list[float]:
    """`folders` stand for the commits, so that a revision that moved is measured again."""
    first, second = (load_checkpoint(reference, _token) for reference in references)
    return distances(first, second, SampleRequest(seed=start, count=PART), judge_named(judge) if judge else None)


@st.cache_data(max_entries=1024, show_spinner=False)
def _confidences(
    reference: str, folder: str, judge: str, labels: str, label: int, start: int, _token: str | None
) -> list[float]:
    request = SampleRequest(seed=start, count=PART, labels=labels)
    return confidences(load_checkpoint(reference, _token), request, label, judge_named(judge))


def _seeds(first: int, count: int) -> range:
    """So many seeds, all of which a request can name."""
    first = min(first, MAX_SEED + 1 - count)
    return range(first, first + count)


def _measured(seeds: range, measure: Callable[[int], list[float]]) -> list[float]:
    """A value of each seed, with a bar that shows how many there are."""
    bar = st.progress(0.0, t("Sampling …"))
    values: list[float] = []
    for start in seeds[::PART]:
        values += measure(start)
        bar.progress(len(values) / len(seeds), t("Sampling …"))
    bar.empty()
    return values


@st.fragment
def show_most_changed(pair: tuple[Entry, Entry], names: tuple[str, str], protocol: Protocol, seed: int) -> None:
    """The seeds whose samples two checkpoints draw least alike, drawn while this is open; not for texts."""
    if not all(map(_is_seen, pair)):
        return
    section = st.expander(t("The seeds that changed most"), key="changed", bind="query-params")
    if not section.open:
        return
    with section:
        count = select(st.container(width=200), t("Seeds"), COUNTS, "of_seeds")
        seeds = _seeds(seed, count)
        judge = protocol_judge(protocol)
        st.caption(
            t("Ordered by the distance between the features of `{judge}`, the farthest apart first.", judge=judge.name)
            if judge
            else t("Ordered by the root mean square difference of pixels, as the judge of this protocol is not here.")
        )
        first, second = pair

        def measure(start: int) -> list[float]:
            return _distances(
                (first.reference, second.reference),
                (str(first.folder), str(second.folder)),
                judge.name if judge else None,
                start,
                visitor_token(),
            )

        try:
            values = _measured(seeds, measure)
        except AIGCError as error:
            st.warning(as_text(t(error.sentence)))
            return
        places = in_order(values)[:SHOWN]
        st.caption(_listed(seeds, places, values, "{:.3g}"))
        for cell, entry, name in zip(st.columns(2), pair, names):
            with cell:
                show_samples(entry, [seeds[place] for place in places], COLUMNS, name)


@st.fragment
def show_best_and_worst(chosen: dict[str, Entry], protocol: Protocol, seed: int) -> None:
    """The samples of a class of which a classifier is surest, and those of which it is least sure, drawn while this is
    open; for checkpoints whose classes a classifier knows."""
    entries = {
        name: entry
        for name, entry in chosen.items()
        if _is_seen(entry) and entry.config and class_judge(entry.config, protocol)
    }
    if not entries:
        return
    section = st.expander(t("Best and worst of a class"), key="extremes", bind="query-params")
    if not section.open:
        return
    with section:
        cells = st.columns(4)
        name = select(cells[0], t("Checkpoint"), list(entries), "of_checkpoint")
        entry = entries[name]
        config = entry.config
        judge = config and class_judge(config, protocol)
        if not config or not judge:
            return
        titles = {label: config.class_name(label) for label in range(config.num_classes)}
        label = select(cells[1], t("Class"), list(titles), "of_class", titles)
        count = select(cells[2], t("Seeds"), COUNTS, "of_seeds_of_class")
        seeds = _seeds(seed, count)
        labels = class_entries(config.class_names, config.num_classes)[label]
        st.caption(
            t("Ordered by how sure `{judge}` is that a sample is of the class that was asked for.", judge=judge.name)
        )

        def measure(start: int) -> list[float]:
            return _confidences(entry.reference, str(entry.folder), judge.name, labels, label, start, visitor_token())

        try:
            values = _measured(seeds, measure)
        except AIGCError as error:
            st.warning(as_text(t(error.sentence)))
            return
        order = in_order(values)
        for cell, caption, places in zip(
            st.columns(2), (t("Best"), t("Worst")), (order[:SHOWN], order[: -SHOWN - 1 : -1])
        ):
            with cell:
                st.caption(_listed(seeds, places, values, "{:.1%}"))
                show_samples(entry, [seeds[place] for place in places], COLUMNS, caption, labels)


def _listed(seeds: range, places: list[int], values: list[float], form: str) -> str:
    """The seeds at some places, each with its value."""
    listed = [f"{seeds[place]} ({form.format(values[place])})" for place in places]
    return as_text(t("Seeds: {seeds}", seeds=t(", ").join(listed)))
