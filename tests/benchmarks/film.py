"""The film of `checkpoints/mnist-mlp`, from which the app's lessons are made: `python -m tests.benchmarks.film RUN`.

It trains the preset anew, into the folder RUN, and keeps the moments STEPS: early ones close together, as most happens
there. The timeline of that run is then written into the checkpoint's folder, smaller and with what the discriminator of
each moment says of the generated pictures and of real ones that it never saw.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy
import torch
from accelerate import Accelerator
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from aigc_core.access import SHIPPED
from aigc_core.config import parse_config
from aigc_core.data.datasets import load_dataset
from aigc_core.families.gan.networks import ImageShape, build_discriminator
from aigc_core.modalities.image import image_grid
from aigc_core.pipeline import write_preview
from aigc_core.training.loop import Run
from aigc_core.training.presets import read_preset
from aigc_core.training.recipe import TrainingConfig
from aigc_core.training.timeline import MEASUREMENTS_FILE, TIMELINE_FOLDER, read_timeline

PRESET, SEED = "mnist-mlp", 1
STEPS = (1, 50, 100, 200, 400, 700, 1200, 2000, 3500, 6000)
"""The moments, beside the end."""
SAMPLES = 640_000
"""How long it trains, a fifth of the preset's samples: little changes later."""
SIDE, COLUMNS = 28, 8
SHOWN = 32
"""How many of the preview's seeds are kept, and how many real pictures."""
LEVELS = 15
"""Greys beside black; more of them would not be seen, and take twice the bytes."""
MAX_LINES = 120


class ByStep:
    """When the run saves, in the place of `aigc_core.training.moments.Moments`."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def due(self, seconds: float) -> bool:
        return self._run.step in STEPS

    def is_kept(self, seconds: float) -> bool:
        return False

    def saved(self, seconds: float, cost: float, kept: bool) -> None:
        """Nothing follows from it here."""


def train(folder: Path) -> None:
    """Train the preset, and keep the discriminator of each moment."""
    settings = read_preset(PRESET) | {"seed": SEED, "samples": SAMPLES, "checkpoint_samples": None}
    (folder / "judges").mkdir(parents=True)

    def keep_judge(*_: object) -> None:
        weights = {name: value.clone() for name, value in run.method.modules["discriminator"].state_dict().items()}
        save_file(weights, folder / "judges" / f"step-{run.step:07d}.safetensors")

    config = parse_config(TrainingConfig, settings, "Settings")
    run = Run(config, folder, Accelerator(cpu=True), resume=False, hooks=(write_preview, keep_judge))
    run.moments = ByStep(run)  # type: ignore[assignment]  # it has the same methods
    run.train()


def few_greys(images: Tensor) -> Tensor:
    """Pictures uint8 of any shape in LEVELS + 1 greys."""
    return ((images.float() * LEVELS / 255).round() * 255 / LEVELS).round().to(torch.uint8)


def write_film(folder: Path, target: Path) -> None:
    """The run's timeline as the checkpoint ships it."""
    timeline = read_timeline(folder)
    target.mkdir(exist_ok=True)
    real = few_greys(load_dataset("mnist", "test").images[:SHOWN])
    save(image_grid(real, COLUMNS), target / "real.png")
    scores = {}
    for preview in timeline.previews:
        picture = torch.from_numpy(numpy.array(Image.open(preview).convert("L")))
        tiles = picture.unfold(0, SIDE, SIDE).unfold(1, SIDE, SIDE).reshape(-1, 1, SIDE, SIDE)[:SHOWN]
        generated = few_greys(tiles)
        save(image_grid(generated, COLUMNS), target / preview.name)
        judge = build_discriminator("mlp", {}, ImageShape(channels=1, resolution=SIDE))
        judge.load_state_dict(load_file(folder / "judges" / f"{preview.stem}.safetensors"))
        with torch.no_grad():
            logits = judge(torch.cat([real, generated]).float() / 127.5 - 1, torch.empty(2 * SHOWN, 0))
        said = [round(each, 2) for each in logits.tolist()]
        scores[preview.stem] = {"real": said[:SHOWN], "generated": said[SHOWN:]}
    (target / "scores.json").write_text(json.dumps(scores).replace("}, ", "},\n") + "\n")
    measured = [each for each in timeline.measurements if each.values]
    rounded = [{name: round(value, 3) for name, value in each.values.items()} for each in measured]
    kept = [each.model_copy(update={"values": values}) for each, values in zip(measured, rounded)]
    (target / MEASUREMENTS_FILE).write_text(
        "".join(each.model_dump_json() + "\n" for each in kept[:: -(-len(kept) // MAX_LINES)])
    )


def save(picture: Tensor, path: Path) -> None:
    """A grey picture uint8 [1, H, W] of LEVELS + 1 greys as a PNG of four bits a pixel."""
    image = Image.fromarray((picture[0].float() * LEVELS / 255).round().to(torch.uint8).numpy())
    image.putpalette([round(level * 255 / LEVELS) for level in range(LEVELS + 1) for _ in range(3)])
    image.save(path, bits=4, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a new folder, or that of a run which has ended")
    folder = parser.parse_args().run
    if not folder.exists():
        train(folder)
    write_film(folder, SHIPPED / PRESET / TIMELINE_FOLDER)


if __name__ == "__main__":
    main()
