"""`python -m aigc_core train`: train a generator from a preset."""

from __future__ import annotations

import json
import shlex
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from ..checkpoint import read_config, step_folders
from ..config import parse_config
from ..data import dataset_names
from ..errors import AIGCError

PRESETS = Path(__file__).parent.parent / "presets"
EXAMPLES = """examples:
  python -m aigc_core train --preset fashion-mnist --out runs/clothes --seconds 600
  python -m aigc_core train --preset folder --data PICTURES --out runs/mine --set resolution=128
  python -m aigc_core train --preset folder --data PICTURES --parent checkpoints/emoji --out runs/mine
  python -m aigc_core train --out runs/mine --resume"""
OPTIONS = ("data", "images", "seconds", "parent", "seed")
"""The settings that have an option of their own; `--set` changes the others."""


def preset_names() -> list[str]:
    """The names `--preset` takes."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def preset_summary(name: str) -> str:
    """What a preset is for: the first line of its file."""
    with (PRESETS / f"{name}.yaml").open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()


def read_preset(name: str) -> dict[str, Any]:
    """A preset's settings. Raises AIGCError, naming those there are, if there is no such preset."""
    path = PRESETS / f"{name}.yaml"
    if name not in preset_names():
        raise AIGCError(f"There is no preset '{name}'; there are {', '.join(preset_names())}.")
    return yaml.safe_load(path.read_text(encoding="utf-8")) | {"preset": name}


def apply_setting(settings: dict[str, Any], setting: str) -> None:
    """Apply one `key=value`, where key may be dotted (`method_config.r1_gamma=2`) and value is YAML."""
    key, equals, value = setting.partition("=")
    if not equals:
        raise AIGCError(f"--set takes key=value, not '{setting}'.")
    *path, last = key.split(".")
    for part in path:
        settings = settings.setdefault(part, {})
        if not isinstance(settings, dict):
            raise AIGCError(f"--set {key}: '{part}' has no settings of its own.")
    try:
        settings[last] = yaml.safe_load(value)
        if isinstance(settings[last], str):  # YAML takes 2e-4 for a word
            with suppress(ValueError):
                settings[last] = float(value)
    except yaml.YAMLError:
        raise AIGCError(f"--set {key}: '{value}' is not a value.") from None


def command_for(recipe: dict[str, Any]) -> str:
    """The command line that trains by a recipe, as a checkpoint keeps it; a folder of pictures is called PICTURES.

    Raises AIGCError if the recipe is none of this version, or came from no preset.
    """
    from ..training import TrainingConfig

    preset, made = read_preset(str(recipe.get("preset"))), dict(recipe)
    if str(made.get("data")).partition(":")[0] not in dataset_names():
        made["data"] = "PICTURES"
    plain, wanted = (
        parse_config(TrainingConfig, settings, "The recipe").model_dump(mode="json") for settings in (preset, made)
    )
    words = ["python", "-m", "aigc_core", "train", "--preset", preset["preset"]]
    for name, value in wanted.items():
        if name in OPTIONS and value != plain[name]:
            words += [f"--{name}", str(value)]
        elif isinstance(value, dict) and plain[name].keys() <= value.keys():
            changed = {key: inner for key, inner in value.items() if inner != plain[name].get(key)}
            words += [word for key, inner in changed.items() for word in ("--set", f"{name}.{key}={json.dumps(inner)}")]
        elif value != plain[name]:
            words += ["--set", f"{name}={json.dumps(value)}"]
    return shlex.join([*words, "--out", "RUN"])


def add_arguments(parser: ArgumentParser) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    width = max(len(name) for name in preset_names())
    presets = "\n".join(f"  {name:{width}}  {preset_summary(name)}" for name in preset_names())
    parser.epilog = f"presets:\n{presets}\n\n{EXAMPLES}"
    parser.add_argument("--preset", metavar="NAME", help="one of those below")
    parser.add_argument("--data", help="a data set's name or a folder of images")
    parser.add_argument("--out", required=True, metavar="RUN", help="the run's folder; it collects checkpoints step-…")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--images", metavar="N", help="how many real images to show in all")
    length.add_argument("--seconds", metavar="S", help="how long to train; only training is counted")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting")
    parser.add_argument("--seed", help="seed of weights, order and latents")
    parser.add_argument("--parent", metavar="CHECKPOINT", help="start from this checkpoint's generator")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument(
        "--track", action="append", default=[], choices=["wandb", "trackio"], help="a tracker beside TensorBoard"
    )


def run(arguments: Namespace) -> int:
    from ..training import TrainingConfig, train

    out = Path(arguments.out)
    earlier = step_folders(out) if arguments.resume and out.is_dir() else []
    if earlier and not arguments.preset:
        settings = dict(read_config(earlier[-1]).recipe)
    elif arguments.preset:
        settings = read_preset(arguments.preset)
    else:
        raise AIGCError(f"Choose a --preset: {', '.join(preset_names())}.")
    for name in OPTIONS:
        if getattr(arguments, name) is not None:
            settings[name] = getattr(arguments, name)
    for setting in arguments.set:
        apply_setting(settings, setting)
    config = parse_config(TrainingConfig, settings, "Training settings")
    newest = train(config, out, resume=arguments.resume, trackers=("tensorboard", *arguments.track))
    print(newest)
    return 0
