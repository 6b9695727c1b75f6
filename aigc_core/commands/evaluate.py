"""`python -m aigc_core evaluate`: measure checkpoints, or samples alone, and write the results beside them."""

from __future__ import annotations

import json
import os
import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from aigc_core.checkpoint.folder import seed_folders, step_folders
from aigc_core.checkpoint.layout import CONFIG_FILE
from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.conversion.base import find_format
from aigc_core.conversion.convert import list_files
from aigc_core.errors import AIGCError, Sentence
from aigc_core.evaluation.evaluate import DEFAULT_NUM_SAMPLES, evaluate, follows_default
from aigc_core.evaluation.progress import ProgressLines, print_figure, print_start
from aigc_core.evaluation.published import conditions_of, published_match, published_protocols
from aigc_core.evaluation.real_samples import default_reference, load_reference, second_judges
from aigc_core.evaluation.reference import Reference, split_reference
from aigc_core.evaluation.results import ENOUGH_IMAGES, FEW_SAMPLES, FIGURES, NOT_MEASURED, Result, is_trial
from aigc_core.evaluation.sample_set import SampleSet
from aigc_core.evaluation.samples_alone import evaluate_samples
from aigc_core.files import named_path
from aigc_core.hub.card import write_card
from aigc_core.hub.files import SamplesAlone
from aigc_core.hub.samples import local_samples, pull_samples
from aigc_core.loading import load_checkpoint, locate
from aigc_core.metrics.catalogue import default_metrics
from aigc_core.metrics.extractors import extractor_names, judges
from aigc_core.modalities.base import modalities
from aigc_core.pipeline import Checkpoint
from aigc_core.translation import environment_language, localised, translate_warning

from .statements import add_state, stated_of

READING = Sentence("reading the real samples")
References = dict[tuple[object, ...], list[Reference]]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints",
        nargs="*",
        metavar="REF",
        help="folder, folder@step-…, a folder of checkpoints, owner/name on the Hub, or a file such as FILE.onnx; or "
        "samples that others drew: a zip, npz or folder of images, owner/name or datasets/owner/name on the Hub",
    )
    add_state(parser)
    parser.add_argument("--folder", type=named_path, help="measure the images in a folder, whatever tool made them")
    parser.add_argument(
        "--reference", help="DATASET, DATASET:SPLIT or a folder; by default the training data's test split"
    )
    parser.add_argument(
        "--protocol",
        choices=sorted(published_protocols),
        help="measure as papers do: fid50k is FID of 50,000 samples by Inception against the training images of "
        "CIFAR-10; it fixes --reference, --extractor, --num-samples and --metrics",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        choices=FIGURES,
        metavar="FIGURE",
        help=f"some of {', '.join(FIGURES)}; by default all but {', '.join(FIGURES.keys() - default_metrics())}, "
        "which takes minutes",
    )
    parser.add_argument(
        "--num-samples", type=int, help=f"by default {DEFAULT_NUM_SAMPLES:,}, and of samples alone all there are"
    )
    parser.add_argument(
        "--extractor", help=f"one of {', '.join(extractor_names())}; by default the data's classifier and second judge"
    )
    parser.add_argument(
        "--weights", type=Path, help="a file of weights for the extractor, where it cannot download them"
    )
    parser.add_argument("--json", action="store_true", help="print each result as a line of JSON")
    parser.add_argument(
        "--progress",
        choices=["bar", "json"],
        default="bar",
        help="json: print how far it is as lines of JSON (stage, share, eta_seconds), for another program",
    )


def _follow_published(arguments: Namespace) -> None:
    """Fill in the options that a published protocol fixes, and the default metrics if none are named.

    Raises AIGCError for an option that contradicts the protocol.
    """
    if arguments.protocol:
        published = published_protocols[arguments.protocol]
        fixed = {
            "reference": published.reference,
            "extractor": published.extractor,
            "num_samples": published.num_samples,
            "metrics": list(published.figures),
        }
        for name, value in fixed.items():
            if getattr(arguments, name) not in (None, value):
                raise AIGCError(
                    "--protocol {protocol} fixes --{option} as {value}; leave it out.",
                    protocol=arguments.protocol,
                    option=name.replace("_", "-"),
                    value=" ".join(value) if isinstance(value, list) else value,
                )
            setattr(arguments, name, value)
    if arguments.metrics is None:
        arguments.metrics = default_metrics()


def run(arguments: Namespace) -> int:
    _follow_published(arguments)
    if bool(arguments.checkpoints) == bool(arguments.folder):
        raise AIGCError("evaluate takes checkpoints, or --folder with a folder of images.")
    if arguments.folder is not None:
        if arguments.reference is None:
            raise AIGCError("--folder needs --reference: a data set, or a folder of real images.")
        with _warnings_last():
            _evaluate_samples(str(arguments.folder), SampleSet(arguments.folder, arguments.folder), arguments)
        return 0
    references: References = {}
    for name in chain.from_iterable(map(_expanded, arguments.checkpoints)):
        with _warnings_last():
            _evaluate(name, arguments, references)
    return 0


def _evaluate(name: str, arguments: Namespace, references: References) -> None:
    """Measure one checkpoint, print its results and update its card; `references` caches those loaded so far."""
    if arguments.progress == "json":
        print_start()
    located = locate(name)
    if samples := local_samples(located):
        _evaluate_samples(name, samples, arguments)
        return
    try:
        checkpoint = load_checkpoint(name, stated=stated_of(arguments))
    except SamplesAlone:
        _evaluate_samples(name, pull_samples(located), arguments)
        return
    count = DEFAULT_NUM_SAMPLES if arguments.num_samples is None else arguments.num_samples
    compared_with = _references_for(checkpoint, arguments, references)
    results = []
    with _progress_shown(name, count, arguments) as (show, measuring):
        for number, reference in enumerate(compared_with):
            result = evaluate(
                checkpoint,
                reference=reference,
                num_samples=count,
                metrics=arguments.metrics,
                progress=lambda share, number=number: show((number + share) / len(compared_with)),
                measuring=measuring,
                next_extractors=[each.extractor for each in compared_with[number + 1 :] if isinstance(each, Reference)],
            )
            results.append(result)
    for result in results:
        _print(name, result, arguments)
    if checkpoint.path is not None and is_trial(results[0].protocol, checkpoint.path):
        warnings.warn(
            Sentence("So few samples are a trial: it is kept apart, for `compare` alone, and in no table or card."),
            stacklevel=1,
        )
    if checkpoint.path is not None and follows_default(results[0].protocol, checkpoint.config):
        try:
            write_card(checkpoint.path)
        except AIGCError as error:
            warnings.warn(Sentence("The card is as it was: {error}", error=error.sentence), stacklevel=1)


def _evaluate_samples(name: str, samples: SampleSet, arguments: Namespace) -> None:
    if arguments.reference is None:
        raise AIGCError(
            "'{name}' holds samples alone; say with --reference what they are measured against: a data set, or a "
            "folder of real images.",
            name=name,
        )
    dataset, _ = split_reference(arguments.reference)
    one = arguments.extractor or arguments.weights
    for extractor in [arguments.extractor] if one else judges(dataset):
        with tqdm(bar_format="{desc} [{elapsed}]", disable=arguments.json) as bar:
            bar.set_description_str(f"{name}: {localised(READING)}")
            result = evaluate_samples(
                samples,
                arguments.reference,
                extractor,
                arguments.weights,
                arguments.metrics,
                arguments.num_samples,
                measuring=lambda title, bar=bar: bar.set_description_str(f"{name}: {localised(title)}"),
            )
            bar.set_description_str(name)
        _print(name, result, arguments)


def _references_for(
    checkpoint: Checkpoint, arguments: Namespace, references: References
) -> Sequence[Reference | str | None]:
    """The real samples to compare a checkpoint with: once for each judge, unless an extractor was named.

    They are loaded once for all checkpoints of one shape. Samples that no extractor sees, such as texts, are compared
    with what --reference names.
    """
    kind, config = checkpoint.modality, checkpoint.config
    if kind.map_shape is None:
        if arguments.extractor or arguments.weights:
            raise AIGCError("No extractor sees {samples}; leave out --extractor and --weights.", samples=kind.plural)
        return [arguments.reference]
    against = arguments.reference or (config.dataset, config.data_hash), kind
    if against not in references:
        first = (
            load_reference(arguments.reference, arguments.extractor, arguments.weights, kind)
            if arguments.reference
            else default_reference(config, arguments.extractor, arguments.weights)
        )
        references[against] = [first, *([] if arguments.extractor or arguments.weights else second_judges(first))]
    return references[against]


@contextmanager
def _progress_shown(
    name: str, count: int, arguments: Namespace
) -> Iterator[tuple[Callable[[float], None], Callable[[str], None]]]:
    """Yield two functions: one shows the share of samples drawn, the other the title of the figure being computed.

    They print lines of JSON, or move a bar, which is hidden if the results are printed as JSON.
    """
    if arguments.progress == "json":
        yield ProgressLines(), print_figure
        return
    with tqdm(total=count, unit=" samples", disable=arguments.json) as bar:
        bar.set_description(f"{name}: {localised(READING)}")

        def show(share: float) -> None:
            bar.set_description(name, refresh=False)
            bar.update(round(share * count) - bar.n)

        yield show, lambda title: bar.set_description(f"{name}: {localised(title)}")
        bar.set_description(name)


@contextmanager
def _warnings_last() -> Iterator[None]:
    """Print the warnings of a block after its output, each once."""
    with warnings.catch_warnings(record=True) as caught:
        try:
            yield
        finally:
            sys.stdout.flush()
            language = environment_language()
            for sentence in dict.fromkeys(translate_warning(warning.message, language) for warning in caught):
                print(f"warning: {sentence}", file=sys.stderr)


def _expanded(name: str) -> list[str]:
    """All checkpoints and steps in a folder of checkpoints; the newest of each run in the folder of a recipe."""
    folder = Path(name)
    if not folder.is_dir() or (folder / CONFIG_FILE).is_file() or step_folders(folder):
        return [name]
    if find_format(list_files(folder)):  # such as a pipeline, whose parts have configs of their own
        return [name]
    if seeds := seed_folders(folder):
        return [str(CheckpointReference(str(seed))) for seed in seeds]
    models = sorted(model for model in folder.iterdir() if os.path.isfile(model / CONFIG_FILE))
    references = [
        CheckpointReference(str(model), revision)
        for model in models
        for revision in ("", *(step.name for step in step_folders(model)))
    ]
    return list(map(str, references)) or [name]


def _print(name: str, result: Result, arguments: Namespace) -> None:
    print(json.dumps(result.model_dump(mode="json")) if arguments.json else as_text(name, result), flush=True)
    protocol = result.protocol
    counts = ((protocol.num_samples, Sentence("samples")), (protocol.num_reference, Sentence("real samples")))
    for count, what in counts if protocol.extractor else ():
        if count < ENOUGH_IMAGES:
            warnings.warn(
                Sentence(
                    "{count:,} {what} are few; use {enough:,} or more. {why}",
                    count=count,
                    what=what,
                    enough=ENOUGH_IMAGES,
                    why=FEW_SAMPLES,
                ),
                stacklevel=1,
            )
    wanted = arguments.metrics if set(arguments.metrics) != set(default_metrics()) else list(result.min_samples)
    for sentence in result.not_measured(wanted):
        warnings.warn(sentence, stacklevel=1)
    if arguments.protocol and not published_match(protocol):
        warnings.warn(
            Sentence(
                "This follows no published protocol: {protocol} takes {asked}; here it was {found}.",
                protocol=arguments.protocol,
                asked=published_protocols[arguments.protocol].conditions,
                found=conditions_of(protocol),
            ),
            stacklevel=1,
        )


def as_text(name: str, result: Result) -> str:
    """A result as lines for a terminal."""
    protocol = result.protocol
    lines = [
        f"{name}: {protocol.num_samples:,} samples against {protocol.num_reference:,} "
        f"{modalities[protocol.modality].plural} of {protocol.dataset} ({protocol.split}), "
        f"{protocol.extractor or 'as they are'}, {result.seconds} s"
    ]
    for key, figure in result.figures.items():
        real = result.real_figures.get(key)
        beside = f"   real ones: {real.value:.4f}" if real else ""
        lines.append(f"  {FIGURES[key].title:16} {figure.value:8.4f}   [{figure.low:.4f}, {figure.high:.4f}]{beside}")
    for key, count in result.min_samples.items():
        lines.append(f"  {FIGURES[key].title:16} {NOT_MEASURED.format(count=count)}")
    for class_name, of_class in result.classes.items():
        if of_class.fid is not None:
            fid = of_class.fid
            lines.append(f"  FID of {class_name:9} {fid.value:8.4f}   [{fid.low:.4f}, {fid.high:.4f}]")
    lines += [f"  {FIGURES[key].title}: {caveat}" for key, caveat in result.caveats.items()]
    if matches := published_match(protocol):
        lines.append(f"  {matches}")
    return "\n".join(lines)
