"""`python -m aigc_core train`: train a generator from a preset."""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc_core.checkpoint.folder import read_config, seed_folders, step_folders
from aigc_core.config import SETTINGS, parse_config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.training.presets import OPTIONS, apply_setting, preset_names, preset_summary, read_preset
from aigc_core.training.presets.legacy import upgrade_recipe
from aigc_core.training.resume import newest_checkpoint

from .destination import destination

if TYPE_CHECKING:  # what needs torch is loaded when a run begins, so that --help is quick
    from aigc_core.training.recipe import TrainingConfig

MAX_SEEDS = 100
EXAMPLES = """examples:
  python -m aigc_core train --preset fashion-mnist --out runs/clothes --seconds 600
  python -m aigc_core train --preset folder --data PICTURES --out runs/mine --set resolution=128
  python -m aigc_core train --preset folder --data PICTURES --parent checkpoints/emoji --out runs/mine
  python -m aigc_core train --preset mnist --out runs/digits --seconds 60 --seeds 5
  python -m aigc_core train --preset mnist --out runs/digits --evaluate-every 50000
  python -m aigc_core train --out runs/mine --resume
  accelerate launch --num_processes 2 --dynamo_backend inductor -m aigc_core train --preset cifar10-r3gan --out RUN"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    width = max(len(name) for name in preset_names())
    presets = "\n".join(f"  {name:{width}}  {preset_summary(name)}" for name in preset_names())
    parser.epilog = f"presets:\n{presets}\n\n{EXAMPLES}"
    parser.add_argument("--preset", metavar="NAME", help="one of those below")
    parser.add_argument("--data", help="a data set's name or a folder of images")
    parser.add_argument(
        "--out", required=True, type=destination, metavar="RUN", help="the run's folder; it collects checkpoints step-…"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--samples", "--images", metavar="N", help="how many real samples to show in all")
    length.add_argument("--seconds", metavar="S", help="how long to train; only training is counted")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting")
    parser.add_argument("--seed", help="seed of weights, order and latents")
    parser.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="train the recipe N times, one after another, with the seeds 1 to N (or from --seed on) into RUN/seed-1 …",
    )
    parser.add_argument("--parent", metavar="CHECKPOINT", help="start from this checkpoint's generator")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument(
        "--track", action="append", default=[], choices=["wandb", "trackio"], help="a tracker beside TensorBoard"
    )
    parser.add_argument(
        "--evaluate-every",
        type=int,
        metavar="N",
        help="measure FID with its interval whenever N more samples were seen, and at the end, for the trackers and "
        "the dashboard; training pauses meanwhile, for a time that is printed and does not count in --seconds",
    )
    parser.add_argument(
        "--evaluation-samples",
        type=int,
        metavar="N",
        help="how many samples to draw for that; by default as many as `evaluate`",
    )


def run(arguments: Namespace) -> int:
    from aigc_core.training.messages import next_commands, tell
    from aigc_core.training.recipe import TrainingConfig

    out = arguments.out
    for name in ("evaluate_every", "evaluation_samples"):
        if (given := getattr(arguments, name)) is not None and given < 1:
            raise AIGCError("--{option} takes a number from 1 on.", option=name.replace("_", "-"))
    if arguments.seeds is not None:
        return _train_seeds(arguments, out)
    config = parse_config(TrainingConfig, _settings(arguments, out), SETTINGS)
    newest = _train(arguments, config, out, resume=arguments.resume)
    tell(Sentence("Next:"))
    for command in next_commands(config, out):
        print(f"  {command}", file=sys.stderr)
    print(newest)
    return 0


def _train_seeds(arguments: Namespace, out: Path) -> int:
    """Train one run of a recipe per seed. With --resume, runs that were begun continue, and the others start."""
    from aigc_core.training.interrupt import Interrupted
    from aigc_core.training.messages import resume_command, tell
    from aigc_core.training.recipe import TrainingConfig

    if not 2 <= arguments.seeds <= MAX_SEEDS:
        raise AIGCError("--seeds takes a number from 2 to {limit}.", limit=MAX_SEEDS)
    if out.is_dir() and step_folders(out):
        raise AIGCError("'{folder}' holds one run, not a recipe of several; choose another --out.", folder=out)
    begun = seed_folders(out) if out.is_dir() else []
    if begun and not arguments.resume:
        raise AIGCError(
            "'{folder}' already holds runs; continue them with --resume or choose another --out.", folder=out
        )
    recipe = begun[0] if begun else out
    settings = _settings(arguments, recipe)
    first = int(begun[0].name.removeprefix("seed-")) if begun else 1
    if arguments.seed is not None:
        first = parse_config(TrainingConfig, settings, SETTINGS).seed
    for number, seed in enumerate(range(first, first + arguments.seeds), 1):
        folder = out / f"seed-{seed}"
        config = parse_config(TrainingConfig, settings | {"seed": seed}, SETTINGS)
        tell(Sentence("Run {number} of {count}: '{folder}'.", number=number, count=arguments.seeds, folder=folder))
        try:
            print(_train(arguments, config, folder, resume=folder in begun), flush=True)
        except Interrupted as stop:
            rest = resume_command(out, "--seeds", str(arguments.seeds))
            said = Sentence(
                "{stopped} All {count} runs go on with `{command}`.",
                stopped=stop.args[0],
                count=arguments.seeds,
                command=rest,
            )
            raise Interrupted(said) from None
    tell(Sentence("Next:"))
    print(f"  python -m aigc_core evaluate {shlex.quote(str(out))}", file=sys.stderr)
    return 0


def _train(arguments: Namespace, config: TrainingConfig, out: Path, resume: bool) -> Path:
    from aigc_core.pipeline import train

    return train(
        config,
        out,
        resume=resume,
        trackers=("tensorboard", *arguments.track),
        evaluate_every=arguments.evaluate_every,
        evaluation_samples=arguments.evaluation_samples,
    )


def _settings(arguments: Namespace, earlier: Path) -> dict[str, Any]:
    """The settings of the preset, or of the run `earlier` when it is resumed without one, changed by the options."""
    if arguments.preset:
        settings = read_preset(arguments.preset)
    elif arguments.resume:
        settings = upgrade_recipe(read_config(newest_checkpoint(earlier)).recipe)
    else:
        raise AIGCError("Choose a --preset: {known}.", known=", ".join(preset_names()))
    if arguments.samples is not None:
        settings.pop("seconds", None)
    for name in OPTIONS:
        if getattr(arguments, name) is not None:
            settings[name] = getattr(arguments, name)
    for setting in arguments.set:
        apply_setting(settings, setting)
    return settings
