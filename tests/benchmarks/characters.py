"""Bits per character at equal time, and tokens a second, beside the character model of karpathy/nanoGPT.

    git clone https://github.com/karpathy/nanoGPT
    python -m tests.benchmarks.characters --nanogpt nanoGPT

nanoGPT runs in a copy of that folder with the settings that its README gives for a CPU; ours are trained for as many
seconds as that took. Both read all of Shakespeare in one file: they learn its first nine tenths, and are measured on
windows of the last one, as long as those they learnt. nanoGPT has trained before ours begin, so on a machine that
others use the processor's seconds of each show whether they had equal time. Without --nanogpt ours alone are trained,
for --seconds.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from aigc_core import Checkpoint
from aigc_core.config import parse_config
from aigc_core.data.corpora import load_corpus
from aigc_core.evaluation.likelihood import real_sample_bits
from aigc_core.metrics.stored import Comparison
from aigc_core.metrics.texts.bits_per_character import bits_per_character
from aigc_core.pipeline import train
from aigc_core.training.recipe import TrainingConfig

from .report import print_table
from .trials import FOLDER, preset_recipe

README_SETTINGS = [
    *("config/train_shakespeare_char.py", "--device=cpu", "--compile=False", "--eval_iters=20", "--log_interval=1"),
    *("--block_size=64", "--batch_size=12", "--n_layer=4", "--n_head=4", "--n_embd=128", "--dropout=0.0"),
]
README_ITERATIONS = 2000
NEW_TOKENS = 500
"""Of each text that nanoGPT's sample.py draws."""
OURS = {
    "characters": ["shape.tokenizer=characters", "shape.length=128", "batch_size=8"],
    "pieces of words": ["shape.tokenizer=bpe", "shape.vocabulary_size=512", "shape.length=96", "batch_size=8"],
}
SETTINGS = [
    "architecture_config.depth=4",
    "architecture_config.width=128",
    "architecture_config.heads=4",
    "method_config.learning_rate.value=0.004",
    "method_config.learning_rate.decay_from=0.1",
    "ema_half_life=400",
    "checkpoint_samples=1000000000",
]


class NanoGPT:
    """A copy of nanoGPT's folder, with the text as its data; it is trained for so many iterations."""

    def __init__(self, source: Path, text: Path, iterations: int) -> None:
        self.settings = [*README_SETTINGS, f"--max_iters={iterations}", f"--lr_decay_iters={iterations}"]
        self.settings += [f"--eval_interval={min(250, iterations)}"]  # 250 in its config; it saves no model in between
        self.folder = text.parent / "nanogpt"
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(source, self.folder, ignore=shutil.ignore_patterns(".git"))
        shutil.copy(text, self.folder / "data" / "shakespeare_char" / "input.txt")
        (self.folder / "tiktoken.py").touch()  # sample.py imports it, and has no use for it with characters
        self._run("data/shakespeare_char/prepare.py")

    def _run(self, *words: str) -> tuple[str, float, float]:
        """What a script prints, its seconds, and those of the processor."""
        before, began = os.times(), time.perf_counter()
        printed = subprocess.run(
            [sys.executable, *words], cwd=self.folder, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        after = os.times()
        spent = sum(getattr(after, side) - getattr(before, side) for side in ("children_user", "children_system"))
        return printed, time.perf_counter() - began, spent

    def train(self) -> tuple[float, float]:
        """Its seconds and those of the processor, without what starting takes."""
        _, start, start_spent = self._run("train.py", *self.settings, "--max_iters=0", "--eval_iters=1")
        _, seconds, spent = self._run("train.py", *self.settings)
        return seconds - start, spent - start_spent

    def bits_per_character(self) -> float:
        """By its own estimate over the last tenth, of 400 batches instead of 20."""
        words = ["--init_from=resume", "--eval_iters=400", "--max_iters=0"]
        printed, _, _ = self._run("train.py", *self.settings, *words)
        return float(re.findall(r"val loss ([\d.]+)", printed)[-1]) / math.log(2)

    def tokens_per_second(self) -> float:
        """Without what sample.py takes to start."""
        words = ["--out_dir=out-shakespeare-char", "--device=cpu", f"--max_new_tokens={NEW_TOKENS}"]
        few, many = (self._run("sample.py", *words, f"--num_samples={count}")[1] for count in (1, 5))
        return 4 * NEW_TOKENS / (many - few)


def train_ours(text: Path, settings: list[str], seconds: float) -> tuple[Checkpoint, float]:
    """The model, and the processor's seconds that it took."""
    folder = text.parent / "ours"
    shutil.rmtree(folder, ignore_errors=True)
    recipe: dict[str, Any] = preset_recipe("text", *SETTINGS, *settings, f"seconds={seconds}") | {"data": str(text)}
    before = time.process_time()
    newest = train(parse_config(TrainingConfig, recipe, "characters"), folder, trackers=())
    return Checkpoint.from_pretrained(newest), time.process_time() - before


def bits_of_ours(checkpoint: Checkpoint) -> float:
    kind, data = checkpoint.modality, checkpoint.modality.load_split(checkpoint.config.dataset, "test")
    bits, rows = real_sample_bits(checkpoint, data, 0)
    real = data.samples[rows]
    estimate = bits_per_character(Comparison(real, real, real, kind, bits, real))
    assert estimate is not None
    return estimate.value


def speed_of_ours(checkpoint: Checkpoint, count: int) -> float:
    """Tokens a second of so many texts that are drawn together."""
    checkpoint.sample(seed=0, count=1)
    began = time.perf_counter()
    drawn = checkpoint.sample(seed=1, count=count).stored
    return int((drawn != 0).sum()) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.characters", description=__doc__)
    parser.add_argument("--nanogpt", type=Path, help="a folder with github.com/karpathy/nanoGPT")
    parser.add_argument("--seconds", type=float, default=180, help="of training, without --nanogpt")
    parser.add_argument("--iterations", type=int, default=README_ITERATIONS, help="of nanoGPT; fewer are for a try")
    arguments = parser.parse_args()
    folder = (FOLDER / "characters").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "shakespeare.txt"
    scenes = [load_corpus("shakespeare", split).documents for split in ("train", "test")]
    text.write_text("\n\n".join([*scenes[0], *scenes[1]]))
    rows, seconds, theirs, speed = [], arguments.seconds, math.nan, math.nan
    if arguments.nanogpt:
        nanogpt = NanoGPT(arguments.nanogpt, text, arguments.iterations)
        seconds, processor = nanogpt.train()
        theirs, speed = nanogpt.bits_per_character(), nanogpt.tokens_per_second()
        rows.append(["nanoGPT", f"{seconds:.0f}", f"{processor:.0f}", f"{theirs:.3f}", "", f"{speed:,.0f}", "", ""])
    for name, settings in OURS.items():
        checkpoint, processor = train_ours(text, settings, seconds)
        bits = bits_of_ours(checkpoint)
        one, many = speed_of_ours(checkpoint, 1), speed_of_ours(checkpoint, 32)
        fewer = f"{1 - bits / theirs:.1%}" if arguments.nanogpt else ""
        faster = f"{many / speed:.1f}×" if arguments.nanogpt else ""
        times = [f"{seconds:.0f}", f"{processor:.0f}"]
        rows.append([f"ours, {name}", *times, f"{bits:.3f}", fewer, f"{one:,.0f}", f"{many:,.0f}", faster])
    head = ["model", "s", "s of the processor", "bits a character", "fewer by", "tokens/s, one text"]
    title = "Models of Shakespeare's characters, trained for equal time"
    print_table(title, [*head, "tokens/s, 32 texts together", "over nanoGPT's"], rows)


if __name__ == "__main__":
    main()
