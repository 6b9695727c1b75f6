"""The model card: README.md of a checkpoint, made from its config and its results.

The metadata follows the Hub's specification of model cards (https://github.com/huggingface/hub-docs, modelcard.md).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from aigc_core.checkpoint.folder import CARD_FILE, SAMPLES_FILE, CheckpointConfig, read_config
from aigc_core.errors import AIGCError
from aigc_core.evaluation.results import FIGURES, Result, precision_and_coverage, read_results
from aigc_core.files import atomic_write
from aigc_core.training.presets import command_for

TAGS = ["aigc-studio", "gan"]
TASK = "unconditional-image-generation"
"""The Hub's task that fits best: it has none for class labels as input."""
HUB_DATASETS = {
    "mnist": "ylecun/mnist",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "cifar10": "uoft-cs/cifar10",
}
"""Where the Hub keeps the data sets that have a name here."""
FEW_IMAGES = " Few images: FID is biased upwards, and the intervals are wide."
SHORTFALL = (
    "{precision} of its samples lie among the real images (precision), and {coverage} of the real images have a sample "
    "near them (coverage): the rest is where it fails. "
)


def write_card(folder: Path) -> None:
    """Write README.md into a checkpoint's folder, replacing an older one, whose licence it keeps."""
    text = card_text(folder)
    # Renamed into place: in the Hub's cache, README.md is a link to content that must stay as it was pulled.
    with atomic_write(folder / CARD_FILE) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def card_text(folder: Path, reference: str = "OWNER/NAME") -> str:
    """The card of a checkpoint's folder; `reference` is the name to load it by.

    Raises AIGCError when the config or a result is damaged.
    """
    config, results = read_config(folder).published(), read_results(folder)
    front_matter = _licence(folder) | _front_matter(config, results)
    metadata = yaml.safe_dump(front_matter, sort_keys=False, allow_unicode=True)
    return f"---\n{metadata}---\n\n{_text(folder, config, results, reference)}"


def _licence(folder: Path) -> dict[str, str]:
    """The licence of the weights is their owner's choice, made in the card; until then it is unknown."""
    card = folder / CARD_FILE
    metadata: Any = None
    if card.is_file():
        parts = card.read_text(encoding="utf-8", errors="replace").split("---\n", 2)
        try:
            metadata = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else None
        except (yaml.YAMLError, RecursionError):
            metadata = None
    metadata = metadata if isinstance(metadata, dict) else {}
    chosen = {name: metadata[name] for name in ("license", "license_name", "license_link") if name in metadata}
    return chosen or {"license": "unknown"}


def _front_matter(config: CheckpointConfig, results: list[Result]) -> dict[str, Any]:
    kind = "class-conditional-image-generation" if config.image_shape.num_classes else TASK
    metadata: dict[str, Any] = {
        "library_name": "aigc-studio",
        "pipeline_tag": TASK,
        "tags": [*TAGS, config.architecture, kind],
    }
    if config.dataset in HUB_DATASETS:
        metadata["datasets"] = [HUB_DATASETS[config.dataset]]
    if results:
        entries = [_model_index_entry(result) for result in results]
        metadata["model-index"] = [{"name": _title(config), "results": entries}]
    return metadata


def _model_index_entry(result: Result) -> dict[str, Any]:
    protocol = result.protocol
    where = {"type": HUB_DATASETS.get(protocol.dataset, protocol.dataset), "name": protocol.dataset}
    metrics = [
        {
            "type": name,
            "name": FIGURES[name].title,
            "value": figure.value,
            "args": {"low": figure.low, "high": figure.high, "confidence": 0.95, "protocol": protocol.id},
        }
        for name, figure in result.figures.items()
        if name in FIGURES
    ]
    return {"task": {"type": TASK}, "dataset": {**where, "split": protocol.split}, "metrics": metrics}


def _title(config: CheckpointConfig) -> str:
    return f"{config.dataset} {config.architecture}"


def _text(folder: Path, config: CheckpointConfig, results: list[Result], reference: str) -> str:
    shape = config.image_shape
    classes = f"{shape.num_classes} classes" if shape.num_classes else "no classes"
    names = f" ({', '.join(config.class_names)})" if config.class_names else ""
    parts = [
        f"# {_title(config)}",
        f"Draws images of {shape.resolution} × {shape.resolution} pixels, "
        f"{'grey' if shape.channels == 1 else 'colour'}, {classes}{names}. "
        f"Trained with AIGC Studio for {config.step:,} steps on {config.images_seen:,} images "
        f"({config.training_seconds / 60:.0f} minutes).",
    ]
    if (folder / SAMPLES_FILE).is_file():
        parts.append(f"![Samples of seeds 0 and up]({SAMPLES_FILE})")
    parts.append(
        "## Use\n\n```python\nfrom aigc_core import Checkpoint\n\n"
        f'checkpoint = Checkpoint.from_pretrained("{reference}")  # or the path of a folder\n'
        "images = checkpoint.sample(seed=7, count=16).images  # uint8 [16, channels, height, width]\n```"
    )
    parts.append(f"## Data\n\n{_data(config)} Licence of the data: {config.data_licence or 'not known'}.")
    if config.recipe:
        parts.append(_training(config))
    parts += [_figures(result) for result in results]
    shares = precision_and_coverage(results)
    shortfall = SHORTFALL.format(**shares) if shares else ""
    parts.append(
        f"## Limits\n\n{shortfall}Images are generated by a machine and show no real object or person; say "
        "so where you show them. The model knows nothing outside its training data and repeats the imbalances in it. "
        "Figures compare models only under the same protocol."
    )
    return "\n\n".join(parts) + "\n"


def _data(config: CheckpointConfig) -> str:
    if config.dataset in HUB_DATASETS:
        return f"[{config.dataset}](https://huggingface.co/datasets/{HUB_DATASETS[config.dataset]})."
    return f"{config.dataset}."


def _training(config: CheckpointConfig) -> str:
    recipe = config.recipe
    parts = ["## Training"]
    with suppress(AIGCError):  # of a recipe of another version, or of one that came from no preset
        parts.append(f"`{command_for(recipe)}`")
    if config.parent:
        parts.append(f"Training started from {config.parent}.")
    shown = {name: value for name, value in recipe.items() if name != "data"}
    settings = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True).strip()
    parts.append(f"Settings:\n\n```yaml\n{settings}\n```")
    return "\n\n".join(parts)


def _figures(result: Result) -> str:
    protocol = result.protocol
    lines = [
        f"## Figures\n\n{protocol.num_samples:,} samples against {protocol.num_reference:,} images of "
        f"{protocol.dataset} ({protocol.split}), features of `{protocol.extractor}`, protocol `{protocol.id}`; 95 % "
        f"intervals.{'' if result.has_enough_images else FEW_IMAGES}\n",
        "| figure | value | interval | better |",
        "|---|---|---|---|",
    ]
    for name, figure in result.figures.items():
        if name in FIGURES:
            kind = FIGURES[name]
            interval = f"{figure.low:.4g} … {figure.high:.4g}"
            lines.append(f"| {kind.title} | {figure.value:.4g} | {interval} | {kind.better} |")
    return "\n".join(lines)
