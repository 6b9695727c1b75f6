"""`python -m aigc_core data NAME`: put a data set where the loaders look for it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from aigc_core.data.corpora import load_corpus, named_corpora
from aigc_core.data.datasets import dataset_names, load_dataset, prepare_dataset
from aigc_core.data.sounds import load_sounds, named_sounds
from aigc_core.registry import find


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", help=f"one of {', '.join(_names())}")


def run(arguments: Namespace) -> int:
    name = find("data set", arguments.name, {name: name for name in _names()})
    if name in named_corpora:
        named_corpora[name].fetch()
        corpus = load_corpus(name, "train")
        count, plural, licence = len(corpus.documents), "texts", corpus.licence
    elif name in named_sounds:
        named_sounds[name].fetch()
        sounds = load_sounds(name, "train")
        count, plural, licence = len(sounds.waves), "sounds", sounds.licence
    else:
        prepare_dataset(name)
        dataset = load_dataset(name)
        count, plural, licence = len(dataset), "images", dataset.licence
    print(f"{name}: {count:,} training {plural}. Licence: {licence}.")
    return 0


def _names() -> list[str]:
    return [*dataset_names(), *named_corpora, *named_sounds]
