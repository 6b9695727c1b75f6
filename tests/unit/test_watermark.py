"""The watermark of texts: which tokens are green, how it composes, how surely it is found, and where it is not."""

from __future__ import annotations

from math import comb
from pathlib import Path

import numpy
import pytest
import torch
from scipy.stats import binom

from aigc_core import Checkpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.cli import main
from aigc_core.families.autoregressive.build import build_model
from aigc_core.families.autoregressive.text import TextModel, TextOptions
from aigc_core.families.autoregressive.watermark import WIDTH, Watermark, detect, is_green
from aigc_core.families.base import Condition

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A model that draws its 26 letters nearly evenly."""
    torch.manual_seed(0)
    config = CheckpointConfig(
        architecture="transformer",
        architecture_config={"depth": 1, "width": 16, "heads": 2},
        family="autoregressive",
        modality="text",
        shape={"vocabulary": LETTERS, "length": 220},
        dataset="none",
    )
    model = build_model(config.spec).eval()
    folder = Checkpoint(config, model).save_pretrained(tmp_path_factory.mktemp("marked") / "model")
    return Checkpoint.from_pretrained(folder)


def splitmix(value: int) -> int:
    """Steele et al. 2014, figure 14, in whole numbers."""
    value = (value + 0x9E3779B97F4A7C15) % 2**64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % 2**64
    return value ^ (value >> 31)


def test_tokens_are_green_by_the_key_and_the_last_four() -> None:
    last, tokens, key = [3, 0, 7, 9], list(range(500)), 42
    context = splitmix(key)
    for token in last:
        context = splitmix(context ^ splitmix(token))
    by_hand = [splitmix(context ^ splitmix(token)) < 2**63 for token in tokens]
    ours = is_green(numpy.array([last], dtype=numpy.uint64), numpy.array([tokens], dtype=numpy.uint64), key)
    assert ours[0].tolist() == by_hand and 200 < sum(by_hand) < 300
    mark = Watermark(2.5, key, 500, rows=1)
    for token in [8, *last]:
        mark.see(torch.tensor([token]))
    assert mark.adjust(torch.zeros(1, 500))[0].tolist() == [2.5 * green for green in by_hand]


def test_the_p_value_is_that_of_coins_of_which_each_is_thrown_once() -> None:
    text = list(range(1, 31))
    found = detect([text, text, text[:10]], key=5)  # what is repeated says nothing new
    padded = [0] * WIDTH + text
    runs = numpy.array([padded[k : k + WIDTH + 1] for k in range(30)], dtype=numpy.uint64)
    green = int(is_green(runs[:, :WIDTH], runs[:, WIDTH:], 5).sum())
    assert (found.marked, found.counted) == (green, 30)
    assert found.p_value == pytest.approx(sum(comb(30, k) for k in range(green, 31)) / 2**30)
    assert detect([[]], 5).p_value == 1


REPETITIVE = {
    "one letter": [1] * 200,
    "four letters": numpy.random.default_rng(0).integers(1, 5, 200).tolist(),
    "a refrain": [*range(1, 41), *range(20, 41)] * 4,
    "no repetition": list(range(1, 201)),
}


@pytest.mark.parametrize("text", REPETITIVE.values(), ids=REPETITIVE)
def test_over_keys_false_alarms_of_any_text_are_as_rare_as_the_p_value_says(text: list[int]) -> None:
    count = 1000
    values = numpy.array([detect([text], key).p_value for key in range(count)])
    for level in (0.01, 0.05, 0.2, 0.5):
        alarms = int((values <= level).sum())
        assert binom.sf(alarms - 1, count, level) > 1e-4  # no more than chance allows
    attainable = binom.sf(numpy.arange(-1, len(text)), detect([text], 0).counted, 0.5)
    for level in (0.05, 0.5):  # and exactly as many as a number of coins can give
        exact = max(attainable[attainable <= level], default=0.0)
        assert abs((values <= level).mean() - exact) < 4 * (exact / count) ** 0.5 + 1e-9


def test_over_texts_false_alarms_under_one_key_are_as_rare_where_they_share_little() -> None:
    texts = numpy.random.default_rng(0).integers(1, 500, (1000, 60)).tolist()
    values = numpy.array([detect([text], key=1).p_value for text in texts])
    for level in (0.01, 0.05, 0.2):
        assert binom.sf(int((values <= level).sum()) - 1, len(texts), level) > 1e-4


def test_texts_that_share_their_runs_are_suspected_under_the_same_keys() -> None:
    """Four letters have 1,024 runs of five, for which one key has thrown its coins once: what holds is the mean."""
    texts = numpy.random.default_rng(0).integers(1, 5, (40, 200)).tolist()
    shares = numpy.array([numpy.mean([detect([text], key).p_value <= 0.05 for text in texts]) for key in range(80)])
    assert shares.mean() < 0.05 + 3 * shares.std() / len(shares) ** 0.5
    assert shares.max() > 0.1 > shares.mean()


def test_two_hundred_marked_tokens_are_found_with_other_options_beside(checkpoint: Checkpoint) -> None:
    model = checkpoint.model
    assert isinstance(model, TextModel)
    noise, condition = torch.randn(40, 220, generator=torch.Generator().manual_seed(0)), Condition(torch.zeros(40, 0))

    def texts(**options: object) -> torch.Tensor:
        with torch.no_grad():
            return model.generate(noise, condition, TextOptions(**options))  # type: ignore[arg-type]

    def found(samples: torch.Tensor, key: int) -> float:
        long = [row for row in samples if (row != 0).sum() > 60]
        return sum(model.detect_watermark(row[None, :200], key).p_value <= 0.01 for row in long) / len(long)

    marked = texts(watermark=2, watermark_key=9)
    assert found(marked, 9) == 1 and found(marked, 8) < 0.2 and found(texts(), 9) < 0.2
    assert found(texts(watermark=2, watermark_key=9, temperature=0.8, top_k=10, acrostic="ab"), 9) == 1
    assert torch.equal(texts(watermark_key=9), texts())  # the key alone does nothing


def test_inspect_finds_it_with_and_without_what_the_file_says(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "marked.txt"
    words = ["--seed", "3", "--num", "4", "--set", "watermark=3", "--set", "watermark_key=77"]
    assert main(["sample", checkpoint.reference, *words, "--out", str(out)]) == 0
    capsys.readouterr()

    def probability(*more: str) -> float:
        assert main(["inspect", str(out), *more]) == 0
        printed = capsys.readouterr().out
        return float(printed.partition("with probability ")[2].split()[0])

    assert probability() < 1e-6 and probability("--watermark-key", "78") > 1e-4
    out.with_name(out.name + ".json").unlink()
    out.write_text("An introduction. " + out.read_text())
    assert probability("--checkpoint", checkpoint.reference, "--watermark-key", "77") < 1e-6
    assert main(["inspect", str(out)]) == 2
    assert "does not say where it comes from" in capsys.readouterr().err
    for wrong in ("-1", "4294967296", "key"):
        assert main(["inspect", str(out), f"--watermark-key={wrong}"]) == 2
        assert "takes a whole number" in capsys.readouterr().err
