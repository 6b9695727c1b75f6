"""A family, a modality and a metric from outside the package, with all that images have: tests/toy_text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.local_hub import LocalHub
from tests.processes import ROOT, assert_one_sentence

LINES = ("the cat sat on the mat", "the dog ran in the sun", "a bird sang on the tree", "the sun is in the sky")


# Runs the commands that come as lines of JSON, and answers each with its status and what it wrote.
SESSION = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from aigc_core.cli import main
for line in sys.stdin:
    with redirect_stdout(io.StringIO()) as stdout, redirect_stderr(io.StringIO()) as stderr:
        try:
            status = main(json.loads(line))
        except SystemExit as ended:
            status = ended.code
    print(json.dumps([status, stdout.getvalue(), stderr.getvalue()]), flush=True)
"""


class Studio:
    """The command line with the plugin, in a folder of its own, as the user ada of a Hub of its own.

    What resumes a training or asks for another cache runs in a process of its own; all else in one, as a process takes
    seconds to start.
    """

    def __init__(self, folder: Path, hub: LocalHub) -> None:
        self.folder, self.hub = folder, hub
        self.session = subprocess.Popen(
            [sys.executable, "-c", SESSION],
            cwd=folder, env=self.environment("cache"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def environment(self, cache: str) -> dict[str, str]:
        own = {"AIGC_PLUGINS": "tests.toy_text", "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true"}
        return os.environ | self.hub.environment(self.folder / cache) | own

    def __call__(self, *words: str, cache: str = "cache") -> subprocess.CompletedProcess[str]:
        if "--resume" in words or cache != "cache":
            return subprocess.run(
                [sys.executable, "-m", "aigc_core", *words],
                cwd=self.folder, env=self.environment(cache), capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
        assert self.session.stdin and self.session.stdout
        print(json.dumps(words), file=self.session.stdin, flush=True)
        return subprocess.CompletedProcess(words, *json.loads(self.session.stdout.readline()))

    def done(self, *words: str, cache: str = "cache") -> str:
        """What a command printed that went well."""
        result = self(*words, cache=cache)
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A run of 200 steps with its two checkpoints."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "lines.txt").write_text("\n".join(LINES * 6) + "\n")
    with LocalHub(folder / "hub") as hub:
        studio = Studio(folder, hub)
        with studio.session:
            studio.done("train", "--preset", "toy-text", "--data", "lines.txt", "--out", "run")
            yield studio


def weights(folder: Path) -> dict[str, list[float]]:
    return {name: tensor.flatten().tolist() for name, tensor in load_file(folder / "model.safetensors").items()}


def test_a_checkpoint_says_what_it_is(studio: Studio) -> None:
    newest = studio.folder / "run" / "step-0000200"
    config = json.loads((newest / "config.json").read_text())
    assert (config["modality"], config["family"]) == ("toy-text", "toy-autoregressive")
    assert set(config["shape"]["vocabulary"]) == set("".join(LINES)) and config["shape"]["length"] == 23
    card = (newest / "README.md").read_text()
    assert "pipeline_tag: text-generation" in card and "texts of up to 23 characters" in card and "![" not in card
    assert len((newest / "samples.txt").read_text().splitlines()) == 64


def test_resumed_to_the_bit(studio: Studio) -> None:
    """Stopped after half of its samples and resumed, a run ends with the weights of one that never stopped."""
    half = ("train", "--preset", "toy-text", "--data", "lines.txt", "--samples", "3200", "--out", "halves")
    studio.done(*half)
    studio.done("train", "--out", "halves", "--resume", "--samples", "6400")
    assert weights(studio.folder / "halves" / "step-0000200") == weights(studio.folder / "run" / "step-0000200")


def test_a_seed_is_a_text(studio: Studio) -> None:
    """The same alone and among others; a prompt is kept, and another temperature is another text."""
    studio.done("sample", "run", "--seed", "5", "--num", "4", "--out", "many")
    studio.done("sample", "run", "--seed", "7", "--num", "1", "--out", "one")
    texts = [(studio.folder / "many" / f"seed-{seed}.txt").read_text() for seed in range(5, 9)]
    assert (studio.folder / "one" / "seed-7.txt").read_text() == texts[2] and len(set(texts)) > 1
    prompted = ("sample", "run", "--seed", "5", "--num", "4", "--prompt", "the ", "--set", "temperature=0.5")
    studio.done(*prompted, "--out", "prompted.txt")
    assert all(line.startswith("the ") for line in (studio.folder / "prompted.txt").read_text().splitlines())
    studio.done("sample", "run", "--seed", "5", "--num", "4", "--set", "temperature=3", "--out", "hot")
    assert [(studio.folder / "hot" / f"seed-{seed}.txt").read_text() for seed in range(5, 9)] != texts
    assert "matches" in studio.done("inspect", "prompted.txt")
    changed = studio.folder / "one" / "seed-7.txt"
    changed.write_text("the cat\n")
    result = studio("inspect", "one/seed-7.txt")
    assert result.returncode == 2 and "was changed" in result.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--truncation", "0.5"), "unknown key 'truncation'"),
        (("--set", "temperature=nan"), "'temperature' is wrong"),
        (("--set", "offset.pca0=1"), "no smooth latent space"),
        (("--prompt", "Z"), "not learnt the characters Z"),
        (("--labels", "3"), "no classes"),
        (("--format", "gif"), "are not written as gif"),
        (("--interpolate", "linear"), "no smooth latent space"),
    ],
)
def test_what_it_does_not_have_is_one_sentence(studio: Studio, words: tuple[str, ...], sentence: str) -> None:
    assert_one_sentence(studio("sample", "run", *words, "--out", "refused"), sentence)


def test_pushed_pulled_measured_and_compared(studio: Studio) -> None:
    studio.done("push", "run", "ada/lines")
    pulled = Path(studio.done("pull", "ada/lines", cache="another").strip())
    assert weights(pulled) == weights(studio.folder / "run" / "step-0000200")
    assert (pulled / "samples.txt").is_file()
    for name in ("run", "run@step-0000100"):
        printed = studio.done("evaluate", name, "--num-samples", "300", "--json")
        figure = json.loads(printed)["figures"]["bigram_overlap"]
        assert 0.5 < figure["low"] <= figure["value"] <= figure["high"] <= 1
    verdict = studio.done("compare", "run", "run@step-0000100", "--metric", "bigram_overlap")
    assert "igram overlap" in verdict or "bigram_overlap" in verdict


# In a process of its own, as registering changes what other tests see.
TOY_TEXT_PAGES = """
import sys
from tests.dashboard_pages import open_dashboard

run = sys.argv[1]
ours = {"run@step-0000100", "run@step-0000200"}
(table,) = (table.value for table in open_dashboard(add=run).dataframe if set(table.value["checkpoint"]) == ours)
assert list(table["family"]) == ["toy-autoregressive"] * 2 and table["bigram_overlap"].notna().all(), table
for name in ("compare", "training"):
    page = open_dashboard(name, add=run)
    box = page.selectbox(key="protocol" if name == "compare" else "model")
    box.set_value(next(option for option in box.options if "lines" in option or "run" in option)).run()
    assert not page.exception and not page.warning, [page.exception, page.warning]
    said = [element.value for element in [*page.text, *page.caption, *page.markdown, *page.subheader]]
    assert len(page.text) >= 24 and "Seed 1" in said and len({text.value for text in page.text}) > 1
    assert not any("image" in text.lower() for text in said), said
"""


def test_the_dashboard_shows_its_samples(studio: Studio) -> None:
    """On three pages, with the figures of both checkpoints."""
    for name in ("run", "run@step-0000100"):
        studio.done("evaluate", name, "--num-samples", "300")
    words = [sys.executable, "-c", TOY_TEXT_PAGES, str(studio.folder / "run")]
    environment = studio.environment("cache")
    shown = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
