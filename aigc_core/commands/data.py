"""`python -m aigc_core data NAME`: put a data set where the loaders look for it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from aigc_core.data.corpora import load_corpus, named_corpora
from aigc_core.data.datasets import dataset_names, load_dataset, prepare_dataset


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", help=f"one of {', '.join([*dataset_names(), *named_corpora])}")


def run(arguments: Namespace) -> int:
    if arguments.name in named_corpora:
        named_corpora[arguments.name].fetch()
        corpus = load_corpus(arguments.name, "train")
        print(f"{arguments.name}: {len(corpus.documents):,} training texts. Licence: {corpus.licence}.")
        return 0
    prepare_dataset(arguments.name)
    dataset = load_dataset(arguments.name)
    print(f"{arguments.name}: {len(dataset):,} training images. Licence: {dataset.licence}.")
    return 0
