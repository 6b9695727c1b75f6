"""`python -m aigc_core train`: train a generator from a preset."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from aigc_core.checkpoint.folder import read_config
from aigc_core.config import parse_config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.training.presets import OPTIONS, apply_setting, preset_names, preset_summary, read_preset
from aigc_core.training.presets.legacy import upgrade_recipe

EXAMPLES = """examples:
  python -m aigc_core train --preset fashion-mnist --out runs/clothes --seconds 600
  python -m aigc_core train --preset folder --data PICTURES --out runs/mine --set resolution=128
  python -m aigc_core train --preset folder --data PICTURES --parent checkpoints/emoji --out runs/mine
  python -m aigc_core train --out runs/mine --resume
  accelerate launch --num_processes 2 --dynamo_backend inductor -m aigc_core train --preset cifar10-r3gan --out RUN"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    width = max(len(name) for name in preset_names())
    presets = "\n".join(f"  {name:{width}}  {preset_summary(name)}" for name in preset_names())
    parser.epilog = f"presets:\n{presets}\n\n{EXAMPLES}"
    parser.add_argument("--preset", metavar="NAME", help="one of those below")
    parser.add_argument("--data", help="a data set's name or a folder of images")
    parser.add_argument("--out", required=True, metavar="RUN", help="the run's folder; it collects checkpoints step-…")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--samples", "--images", metavar="N", help="how many real samples to show in all")
    length.add_argument("--seconds", metavar="S", help="how long to train; only training is counted")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting")
    parser.add_argument("--seed", help="seed of weights, order and latents")
    parser.add_argument("--parent", metavar="CHECKPOINT", help="start from this checkpoint's generator")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument(
        "--track", action="append", default=[], choices=["wandb", "trackio"], help="a tracker beside TensorBoard"
    )


def run(arguments: Namespace) -> int:
    from aigc_core.pipeline import train
    from aigc_core.training.messages import next_commands, tell
    from aigc_core.training.recipe import TrainingConfig
    from aigc_core.training.resume import newest_checkpoint

    out = Path(arguments.out)
    if arguments.preset:
        settings = read_preset(arguments.preset)
    elif arguments.resume:
        settings = upgrade_recipe(read_config(newest_checkpoint(out)).recipe)
    else:
        raise AIGCError("Choose a --preset: {known}.", known=", ".join(preset_names()))
    if arguments.samples is not None:
        settings.pop("seconds", None)
    for name in OPTIONS:
        if getattr(arguments, name) is not None:
            settings[name] = getattr(arguments, name)
    for setting in arguments.set:
        apply_setting(settings, setting)
    config = parse_config(TrainingConfig, settings, "Training settings")
    newest = train(config, out, resume=arguments.resume, trackers=("tensorboard", *arguments.track))
    tell(Sentence("Next:"))
    for command in next_commands(config, out):
        print(f"  {command}", file=sys.stderr)
    print(newest)
    return 0
