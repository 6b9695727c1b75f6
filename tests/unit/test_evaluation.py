"""Evaluating: cache, resumption, folders, the command line; on small untrained models and generated images."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from aigc_core import AIGCError
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.cli import main
from aigc_core.data.datasets import load_dataset
from aigc_core.data.sounds import Sounds, prepared, store_sounds
from aigc_core.evaluation.evaluate import evaluate
from aigc_core.evaluation.features import sample_features
from aigc_core.evaluation.real_samples import load_reference
from aigc_core.evaluation.reference import split_reference
from aigc_core.evaluation.results import FIGURES, Result, neighbours_path, read_results, read_trials, write_result
from aigc_core.families.base import Condition, families
from aigc_core.families.gan.networks import ImageShape, build_generator
from aigc_core.metrics.catalogue import default_metrics
from aigc_core.metrics.extractors import Extractor, load_extractor
from aigc_core.metrics.neighbours import MIN_IMAGES
from aigc_core.modalities.audio import AudioModality
from aigc_core.modalities.image import ImageModality
from aigc_core.pipeline import Checkpoint
from tests.toy_results import toy_result

ROOT = Path(__file__).parents[2]
GREY = ImageModality(channels=1, resolution=28)
FAST = ("fid", "precision", "recall", "density", "coverage", "label_agreement", "mode_coverage", "memorisation")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_paths: None) -> Path:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_images(folder: Path, count: int, seed: int, size: int = 4) -> Path:
    """Grey PNG files of blocks of `size` pixels, of two classes in subfolders."""
    draw = torch.Generator().manual_seed(seed)
    for index in range(count):
        place = folder / ("dark" if index % 2 else "light")
        place.mkdir(parents=True, exist_ok=True)
        blocks = torch.randint(0, 200, (28 // size,) * 2, generator=draw, dtype=torch.uint8)
        pixels = blocks.repeat_interleave(size, 0).repeat_interleave(size, 1)
        Image.fromarray(pixels.numpy()).save(place / f"{index:04}.png")
    return folder


def data_hash(folder: Path) -> str:
    """What a training on the folder would write into the config; nothing of a folder without images."""
    pictures = folder.is_dir() and list(folder.rglob("*.png"))
    return load_dataset(str(folder), resolution=28, channels=1).content_hash() if pictures else ""


def checkpoint_of(dataset: Path, folder: Path, seed: int = 0) -> Checkpoint:
    torch.manual_seed(seed)
    shape = ImageShape(channels=1, resolution=28, num_classes=2)
    config = {"latent_dim": 8, "generator_width": 8, "max_width": 16}
    generator = build_generator("dcgan", config, shape).eval().requires_grad_(False)
    made = CheckpointConfig(
        architecture="dcgan",
        architecture_config=config,
        shape={"channels": shape.channels, "resolution": shape.resolution},
        num_classes=shape.num_classes,
        class_names=("dark", "light"),
        dataset=str(dataset),
        data_hash=data_hash(dataset),
    )
    Checkpoint(made, generator).save_pretrained(folder)
    return Checkpoint.from_pretrained(folder)


def test_a_checkpoint_is_measured_with_classes_copies_and_pictures(tmp_path: Path) -> None:
    train, held_out = write_images(tmp_path / "train", 80, 1), write_images(tmp_path / "held-out", 60, 2)
    checkpoint = checkpoint_of(train, tmp_path / "model")
    result = evaluate(checkpoint, reference=str(held_out), extractor="mnist-classifier", num_samples=1200, metrics=FAST)
    assert set(result.figures) == set(FAST) - {"label_agreement", "mode_coverage"}  # its classes are not the digits
    assert all(figure.low <= figure.value <= figure.high for figure in result.figures.values())
    assert set(result.classes) == {"dark", "light"} and all(found.fid for found in result.classes.values())
    assert len(result.neighbours) == 16
    scores = [neighbour.score for neighbour in result.neighbours]
    assert scores == sorted(scores)
    picture = Image.open(neighbours_path(result, tmp_path / "model"))
    assert picture.size == (6 * 28, 16 * 28)
    assert read_results(tmp_path / "model") == [result]


def test_figures_that_are_not_asked_for_again_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, held_out = write_images(tmp_path / "train", 80, 1), write_images(tmp_path / "held-out", 60, 2)
    checkpoint_of(train, tmp_path / "model")
    words = ["evaluate", str(tmp_path / "model"), "--reference", str(held_out), "--extractor", "mnist-classifier"]
    words += ["--num-samples", "600", "--metrics"]
    assert main([*words, "fid", "memorisation"]) == 0
    (first,) = read_results(tmp_path / "model")
    assert main([*words, "is", "label_agreement"]) == 0
    assert "warning: Label agreement was not measured; it needs" in capsys.readouterr().err
    (second,) = read_results(tmp_path / "model")
    assert list(second.figures) == ["fid", "is", "memorisation"] and second.neighbours == first.neighbours
    assert second.figures["fid"] == first.figures["fid"]
    assert 0 < first.seconds_per_sample < first.seconds / 600  # of drawing alone
    assert second.seconds_per_sample == first.seconds_per_sample  # nothing was drawn again


def test_any_pair_of_metrics_is_measured_or_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the smallest number of samples, against labelled images: what is missing is on stderr, with the reason."""
    data = write_images(tmp_path / "data", MIN_IMAGES, 1)
    checkpoint_of(data, tmp_path / "model")
    words = ["evaluate", str(tmp_path / "model"), "--extractor", "mnist-classifier", "--json"]
    for pair in combinations(FIGURES, 2):
        shutil.rmtree(tmp_path / "model" / "eval", ignore_errors=True)
        assert main([*words, "--num-samples", str(MIN_IMAGES), "--metrics", *pair]) == 0, pair
        captured = capsys.readouterr()
        figures = json.loads(captured.out)["figures"]
        assert set(figures) <= set(pair)
        for name in set(pair) - set(figures):
            assert re.search(
                rf"^warning: {re.escape(FIGURES[name].title)} was not measured; it needs \S+",
                captured.err,
                re.MULTILINE,
            ), pair


def test_strangers_are_shown_no_folder_as_training_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = checkpoint_of(write_images(tmp_path / "private", 80, 1), tmp_path / "model")
    reference = load_reference(str(write_images(tmp_path / "held-out", 60, 2)), "mnist-classifier", None, GREY)
    monkeypatch.setenv("SPACE_ID", "ada/space")
    result = evaluate(checkpoint, reference=reference, num_samples=200, metrics=("kid", "memorisation"))
    assert list(result.figures) == ["kid"] and not result.neighbours


def fetched_into(folder: Path, checkpoint: Checkpoint, **changes: str) -> list[str]:
    """Write a checkpoint as the Hub would give it to someone whose working directory is the folder; the words that
    evaluate it there."""
    config = checkpoint.config.model_copy(update=changes).published()
    folder.mkdir(exist_ok=True)
    Checkpoint(config, checkpoint.model).save_pretrained(folder / "model")
    return ["evaluate", "model", "--extractor", "mnist-classifier", "--num-samples=60"]


@pytest.mark.parametrize(
    ("theirs", "there", "changes", "reason"),
    [
        (1, 1, {}, ""),
        (1, 2, {}, "holds other images here"),
        (1, None, {}, "is not here"),
        (1, 1, {"data_hash": ""}, "knows the name 'beds' and not the content"),
    ],
    ids=["the same", "another", "none", "from before there was a hash"],
)
def test_a_folder_of_the_same_name_is_not_taken_for_the_training_data(
    theirs: int,
    there: int | None,
    changes: dict,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Pulled from someone who trained on a folder `beds`, beside whatever is called that here."""
    checkpoint = checkpoint_of(write_images(tmp_path / "theirs" / "beds", 60, theirs), tmp_path / "model")
    words = fetched_into(tmp_path / "here", checkpoint, **changes)
    if there:
        write_images(tmp_path / "here" / "beds", 60, there)
    held_out = write_images(tmp_path / "held-out", 60, 3)
    monkeypatch.chdir(tmp_path / "here")
    assert main([*words, "--reference", str(held_out), "--metrics", "kid", "memorisation", "--json"]) == 0
    audited = capsys.readouterr()
    assert ("memorisation" in json.loads(audited.out)["figures"]) == (not reason)
    assert ("warning: Memorisation was not measured. " in audited.err) == bool(reason)
    assert reason in audited.err
    assert main([*words, "--metrics", "kid"]) == (2 if reason else 0)
    by_default = capsys.readouterr()
    assert reason in by_default.err and ("--reference" in by_default.err) == bool(reason)


def test_an_audit_that_cannot_be_repeated_is_not_kept(tmp_path: Path) -> None:
    """Of before there was a hash, it may have been made beside another folder."""
    data, held_out = write_images(tmp_path / "data", 60, 1), write_images(tmp_path / "held-out", 60, 2)
    checkpoint = checkpoint_of(data, tmp_path / "model")

    def measure(*metrics: str) -> list[str]:
        result = evaluate(
            checkpoint, reference=str(held_out), extractor="mnist-classifier", num_samples=60, metrics=metrics
        )
        return list(result.figures)

    assert measure("kid", "memorisation") == measure("kid") == ["kid", "memorisation"]
    write_images(data, 60, 3)
    with pytest.warns(UserWarning, match="Memorisation was not measured"):
        assert measure("kid", "memorisation") == ["kid"]
    assert not read_results(tmp_path / "model")[0].neighbours


def test_fld_is_measured_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    """A model that copies its training images has a higher one than a model that does not."""
    train, held_out = write_images(tmp_path / "train", 100, 1), write_images(tmp_path / "held-out", 60, 2)
    checkpoint = checkpoint_of(train, tmp_path / "model")
    data = load_dataset(str(train), resolution=28, channels=1)
    reference = load_reference(str(held_out), "mnist-classifier", None, GREY)
    assert "fld" not in default_metrics()
    honest = evaluate(checkpoint, reference=reference, num_samples=2000, metrics=("fld",)).figures["fld"]

    def copied(noise: Tensor, condition: Condition, options: object) -> Tensor:
        return GREY.to_model(data.images[torch.arange(len(noise)) % len(data)])

    monkeypatch.setattr(checkpoint.model, "generate", copied)
    shutil.rmtree(own_cache / "features")
    copier = evaluate(checkpoint, reference=reference, num_samples=2000, metrics=("fld",)).figures["fld"]
    assert copier.low > honest.high


def test_a_folder_called_like_a_data_set_is_not_that_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "mnist", 60, 1)
    dataset = load_dataset("./mnist", resolution=28, channels=1)
    checkpoint = checkpoint_of(tmp_path / "mnist", tmp_path / "model")
    config = checkpoint.config.model_copy(update={"dataset": dataset.name, "data_hash": dataset.content_hash()})
    assert config.published().dataset == config.published().published().dataset == "./mnist"
    fetched = Checkpoint(config.published(), checkpoint.model)
    result = evaluate(fetched, extractor="mnist-classifier", num_samples=60, metrics=("kid",))
    assert (result.protocol.dataset, result.protocol.num_reference) == ("./mnist", 60)


def test_features_of_real_images_are_kept_as_they_are_extracted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigc_core.evaluation.reference.CHUNK", 20)
    data, seen = write_images(tmp_path / "data", 70, 1), []
    forward = Extractor.extract

    def extract(self: Extractor, images: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(len(images))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return forward(self, images)

    monkeypatch.setattr(Extractor, "extract", extract)
    with pytest.raises(KeyboardInterrupt):
        _ = load_reference(str(data), "mnist-classifier", None, GREY).features
    reference = load_reference(str(data), "mnist-classifier", None, GREY)
    assert reference.features.shape[0] == 70 and seen == [20, 20, 20, 20, 10]
    expected, logits = forward(reference.extractor, reference.data.images)
    torch.testing.assert_close(reference.features, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(reference.logits, logits, rtol=1e-4, atol=1e-4)


def test_an_interrupted_evaluation_goes_on_where_it_stopped(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigc_core.evaluation.features.CHUNK", 50)
    checkpoint = checkpoint_of(tmp_path, tmp_path / "model")
    extractor, seen = load_extractor("mnist-classifier"), []
    whole = sample_features(checkpoint, Extractor("other", "0", extractor.network, 1), 200)

    def interrupt(share: float) -> None:
        if share >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample_features(checkpoint, extractor, 200, interrupt)
    forward = type(extractor).extract_batch
    monkeypatch.setattr(
        Extractor, "extract_batch", lambda self, images: seen.append(len(images)) or forward(self, images)
    )
    resumed = sample_features(checkpoint, extractor, 200)
    assert sum(seen) == 100
    assert torch.equal(resumed.features, whole.features)


def test_samples_have_the_classes_of_the_training_data(tmp_path: Path) -> None:
    checkpoint = checkpoint_of(tmp_path, tmp_path / "model")
    extractor = load_extractor("mnist-classifier")
    alike = sample_features(checkpoint, extractor, 100)
    assert 30 < alike.labels.sum(0)[0] < 70
    checkpoint.config = checkpoint.config.model_copy(update={"class_shares": (0.0, 1.0)})
    light = sample_features(checkpoint, extractor, 100)
    assert light.labels.sum(0).tolist() == [0, 100]
    assert torch.equal(alike.features.eq(light.features).all(1), alike.labels[:, 1] == 1)


def test_the_reference_is_measured_once_for_all_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_images(tmp_path / "data", 60, 1)
    for seed in (1, 2):
        checkpoint_of(data, tmp_path / f"model{seed}", seed)
    loads = []
    monkeypatch.setattr(
        "aigc_core.evaluation.reference.load_dataset",
        lambda *rest, **more: loads.append(1) or load_dataset(*rest, **more),
    )
    words = ["evaluate", str(tmp_path / "model1"), str(tmp_path / "model2"), "--extractor", "mnist-classifier"]
    assert main([*words, "--num-samples", "60", "--metrics", "fid", "kid"]) == 0
    assert len(loads) == 1


def test_two_processes_fill_one_cache(tmp_path: Path, own_cache: Path) -> None:
    """Both start with nothing, at once, and end with the same figures and whole files."""
    data = write_images(tmp_path / "data", 100, 1)
    checkpoint_of(data, tmp_path / "model")
    words = [sys.executable, "-m", "aigc_core", "evaluate", "--extractor", "mnist-classifier", "--json"]
    words += [str(tmp_path / "model"), "--num-samples", "100", "--metrics", "fid", "recall"]
    processes = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [json.loads(process.communicate()[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert printed[0]["figures"] == printed[1]["figures"]
    assert not [path for path in own_cache.rglob("*") if path.name.startswith(".")]


def test_a_damaged_cache_is_made_again(tmp_path: Path, own_cache: Path) -> None:
    data = write_images(tmp_path / "data", 40, 1)
    first = load_reference(str(data), "mnist-classifier", None, GREY).features
    for path in own_cache.rglob("*.safetensors"):
        path.write_bytes(b"half")
    assert torch.equal(load_reference(str(data), "mnist-classifier", None, GREY).features, first)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mnist", ("mnist", "test")),
        ("mnist:train", ("mnist", "train")),
        ("emoji:Smileys & Emotion", ("emoji:Smileys & Emotion", "train")),
        ("pictures", ("pictures", "train")),
    ],
)
def test_the_test_split_is_the_reference_where_there_is_one(text: str, expected: tuple[str, str]) -> None:
    assert split_reference(text) == expected


def test_a_folder_whose_name_ends_like_a_split(tmp_path: Path) -> None:
    (tmp_path / "pictures:test").mkdir()
    assert split_reference(f"{tmp_path}/pictures:test") == (f"{tmp_path}/pictures:test", "train")


def test_any_folder_against_any_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real = write_images(tmp_path / "real", 100, 1)
    same, other = write_images(tmp_path / "same", 100, 2), write_images(tmp_path / "other", 100, 3, size=14)
    words = ["--reference", str(real), "--extractor", "mnist-classifier", "--metrics", "kid", "--json"]
    printed = []
    for folder in (same, other):
        assert main(["evaluate", "--folder", str(folder), *words]) == 0
        captured = capsys.readouterr()
        assert "100 real samples are few" in captured.err
        printed.append(json.loads(captured.out))
    values = [result["figures"]["kid"] for result in printed]
    assert values[0]["value"] < values[1]["value"]
    assert main(["compare", str(same), str(other), "--metric", "kid"]) == 0
    assert f"{same} is better than {other}: KID" in capsys.readouterr().out
    assert main(["compare", str(same), str(same), "--metric", "kid"]) == 0
    assert f"{same} and {same} have the very same KID: " in capsys.readouterr().out
    for name, sentence in (
        ("nowhere", "There is no folder 'nowhere' here; name a checkpoint"),
        (str(tmp_path), "is not a checkpoint of AIGC"),
    ):
        assert main(["compare", str(same), name]) == 2
        said = capsys.readouterr().err
        assert f"'{name}'" in said and sentence in said and said.count("\n") == 1


def test_trials_of_what_ships_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aigc_core.evaluation import results

    def of_texts(num_samples: int) -> Result:
        result = toy_result(1.0, num_samples=num_samples)
        return result.model_copy(
            update={"protocol": result.protocol.model_copy(update={"extractor": "", "modality": "text"})}
        )

    few, many = toy_result(3.0, num_samples=500), toy_result(2.0, num_samples=10_000)
    few_texts, many_texts = of_texts(100), of_texts(500)
    for folder in ("ships", "mine"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(results, "SHIPPED", tmp_path / "ships")
    for folder in ("ships", "mine"):
        for result in (few, many, few_texts, many_texts):
            write_result(result, tmp_path / folder)
    assert read_results(tmp_path / "ships") == [many, many_texts]
    assert read_trials(tmp_path / "ships") == [few, few_texts]
    assert len(read_results(tmp_path / "mine")) == 4 and not read_trials(tmp_path / "mine")


def test_what_compare_suggests_works_for_ones_own_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_images(tmp_path / "data", 40, 1)
    names = [str(tmp_path / name) for name in ("one model", "another")]
    for name in names:
        checkpoint_of(data, Path(name))
    for _ in range(2):  # first neither is evaluated, then the other is not
        assert main(["compare", *names, "--metric", "kid"]) == 2
        _, _, command = capsys.readouterr().err.strip().partition("; run: ")
        words = shlex.split(command)
        assert words[:4] == ["python", "-m", "aigc_core", "evaluate"]
        assert main([*words[3:], "--num-samples", "60", "--metrics", "kid", "ppl"]) == 0
        said = capsys.readouterr().err
        assert "cifar10-classifier is used" in said
        places = [said.index(f"{words[4]}: {what}") for what in ("reading the real samples", "KID", "PPL")]
        assert places == sorted(places)
    assert main(["compare", *names, "--metric", "kid"]) == 0
    assert f"{names[0]} and {names[1]} have the very same KID: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["evaluate"], "takes checkpoints"),
        (["evaluate", "--folder", "nowhere", "--reference", "mnist"], "There is no folder"),
        (["evaluate", "--folder", "nowhere"], "needs --reference"),
        (["evaluate", "{model}", "--num-samples", "5", "--extractor", "mnist-classifier"], "20 samples at least"),
        (["evaluate", "{model}", "--extractor", "nothing"], "There is no extractor"),
        (["evaluate", "{model}", "--extractor", "mnist-classifier", "--weights", "none.pt"], "There is no file"),
        (["compare", "{model}", "{model}"], "has not been evaluated"),
        (["compare", "{model}"], "two or more checkpoints"),
        (["compare", "{model},{model}", "{model}"], "different training seeds"),
    ],
)
def test_wrong_input_ends_in_a_sentence(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint_of(write_images(tmp_path / "data", 40, 1), tmp_path / "model")
    assert main([word.format(model=tmp_path / "model") for word in words]) == 2
    assert sentence in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """As in `python -m aigc_core compare … | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    models = ("checkpoints/fashion-mnist", "checkpoints/fashion-mnist@step-0007813")
    command = [sys.executable, "-m", "aigc_core", "compare", *models]
    done = subprocess.run(command, check=False, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ("result", "warning: The result is not kept: "),
        ("earlier result", "warning: The result is not kept: "),
        ("cache", "warning: The cache"),
        ("card", "warning: The card is as it was"),
    ],
)
def test_what_cannot_be_written_costs_no_figures(
    broken: str, sentence: str, tmp_path: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files where folders should be, and the other way round, as root may write where a permission says otherwise."""
    data = write_images(tmp_path / "data", 100, 1)
    model = tmp_path / "model"
    checkpoint_of(data, model)
    blocked = {"result": model / "eval", "cache": own_cache}.get(broken)
    if blocked:
        blocked.write_text("a file where a folder should be")
    words = ["evaluate", str(model), "--extractor", "mnist-classifier", "--json"]
    words += ["--num-samples", "60", "--metrics", "kid"]
    if broken == "earlier result":
        assert main(words) == 0
        (written,) = (model / "eval").iterdir()
        written.unlink()
        written.mkdir()
    if broken == "card":
        (model / "README.md").mkdir()
        words[words.index("60")] = "10000"
    capsys.readouterr()
    assert main(words) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["figures"]["kid"]
    assert sentence in printed.err and "Traceback" not in printed.err


def test_messages_that_nobody_takes_cost_no_figures(tmp_path: Path) -> None:
    model = tmp_path / "model"
    checkpoint_of(write_images(tmp_path / "data", 100, 1), model)
    words = [sys.executable, "-m", "aigc_core", "evaluate", str(model), "--extractor", "mnist-classifier", "--json"]
    words += ["--num-samples", "60", "--metrics", "kid"]
    with open("/dev/full", "w") as messages:
        done = subprocess.run(words, check=False, cwd=ROOT, stdout=subprocess.PIPE, stderr=messages, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["figures"]["kid"]


def test_a_folder_of_images_that_cannot_be_written_to_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real, images = write_images(tmp_path / "real", 60, 1), write_images(tmp_path / "images", 60, 2)
    (images / "eval").write_text("a file where a folder should be")
    words = ["evaluate", "--folder", str(images), "--reference", str(real), "--extractor", "mnist-classifier"]
    assert main([*words, "--metrics", "kid"]) == 0
    printed = capsys.readouterr()
    assert "KID" in printed.out and "warning: The result is not kept: " in printed.err


def test_a_narrow_encoding_costs_no_figures(tmp_path: Path) -> None:
    checkpoint_of(write_images(tmp_path / "data", 100, 1), tmp_path / "model")
    words = [sys.executable, "-m", "aigc_core", "evaluate", str(tmp_path / "model"), "--extractor", "mnist-classifier"]
    words += ["--num-samples", "60", "--metrics", "kid", "fid_infinity"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "KID" in done.stdout


def test_too_few_samples_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_images(tmp_path / "data", 100, 1)
    checkpoint_of(data, tmp_path / "model")
    words = ["evaluate", str(tmp_path / "model"), "--extractor", "mnist-classifier", "--num-samples", "60"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    (result,) = read_results(tmp_path / "model")
    assert set(result.figures) == {"kid", "precision", "density", "ppl"}
    needed = {"fid": 512, "fid_infinity": 512, "is": 100, "recall": 100, "coverage": 100, "mode_coverage": 100}
    assert result.min_samples == needed
    for name, count in needed.items():
        assert re.search(rf"{FIGURES[name].title} +not measured: needs at least {count} samples", printed)
    for name in result.figures:
        assert f"{FIGURES[name].title}: {FIGURES[name].caveat}" in printed


def random_weights(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """A file of Inception weights in torch-fidelity's own format, which nobody trained."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    torch.manual_seed(0)
    with monkeypatch.context() as patch:
        patch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", lambda *a, **k: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    torch.save(network.state_dict(), path)


def test_inception_takes_its_weights_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features are those that torch-fidelity computes with the same file; grey images are repeated."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    weights = tmp_path / "weights.pth"
    random_weights(monkeypatch, weights)
    extractor = load_extractor("inception-v3-compat", weights)
    grey = torch.randint(0, 256, (2, 1, 28, 28), dtype=torch.uint8)
    features, logits = extractor.extract(grey)
    theirs = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights))
    assert torch.equal(features, theirs(grey.repeat(1, 3, 1, 1))[0])
    assert logits.shape == (2, 1008)
    assert torch.equal(extractor.extract(grey.repeat(1, 3, 1, 1))[0], features)


class Names(nn.Module):
    """Tensors under the names that a network gives them, as a TorchScript archive keeps them."""

    def forward(self, images: Tensor) -> Tensor:
        return images

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> "Names":
        root = cls()
        for name, tensor in tensors.items():
            *path, last = name.split(".")
            module: nn.Module = root
            for part in path:
                if part not in dict(module.named_children()):
                    module.add_module(part, cls())
                module = module.get_submodule(part)
            module.register_parameter(last, nn.Parameter(tensor))
        return root


def test_clip_takes_its_weights_from_a_file(tmp_path: Path) -> None:
    """A small CLIP that nobody trained, in the format of the real one's file."""
    from torch_fidelity.feature_extractor_clip import CLIPVisual, FeatureExtractorCLIP

    torch.manual_seed(0)
    tensors = CLIPVisual(16, 32, 1, 64, 8).state_dict() | {"text_projection": torch.zeros(4, 16)}
    weights = tmp_path / "weights.pt"
    torch.jit.script(Names.of(tensors)).save(weights)
    extractor = load_extractor("clip-vit-b-32", weights)
    images = torch.randint(0, 256, (2, 3, 28, 28), dtype=torch.uint8)
    features, logits = extractor.extract(images)
    theirs = FeatureExtractorCLIP("clip-vit-b-32", ["clip"], feature_extractor_weights_path=str(weights))
    assert features.shape == (2, 16) and logits.shape == (2, 0)
    assert torch.equal(features, theirs(images)[0])


def test_wrong_or_missing_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"nothing")
    with pytest.raises(AIGCError, match="does not hold weights of 'inception-v3-compat'.*releases"):
        load_extractor("inception-v3-compat", wrong)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    for name in ("inception-v3-compat", "clip-vit-b-32", "dinov2-vit-b-14"):
        with pytest.raises(AIGCError, match=f"'{name}' needs the weights .* could not be downloaded .*--weights FILE"):
            load_extractor(name)


@pytest.fixture
def few_drums(own_cache: Path) -> list[str]:
    """The set `drums` with noises and tones in place of recordings; its classes."""
    draw, time = numpy.random.default_rng(0), numpy.arange(8000) / 16_000
    for split, count in (("train", 60), ("test", 40)):
        waves = [
            prepared((draw.normal(size=8000) if k % 2 else numpy.sin(800 * draw.uniform(1, 2) * time)).astype("f"))
            for k in range(count)
        ]
        labels = [k % 2 for k in range(count)]
        store_sounds(own_cache / f"data/drums/{split}.safetensors", Sounds("drums", waves, labels, ("kick", "snare")))
    return ["kick", "snare"]


@pytest.mark.filterwarnings("ignore:The reference is")
def test_sounds_are_measured_by_their_spectrograms(
    own_cache: Path, few_drums: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the extractor of another data set: the training sounds are nearer to those held out than a blind model's."""
    kind, data = AudioModality.load("drums", {"bands": 32, "frames": 32})
    config = CheckpointConfig(
        architecture="convolutional",
        architecture_config={"width": 4, "max_width": 8, "latent_dim": 2},
        family="vae",
        modality="audio",
        shape=kind.model_dump(),
        num_classes=2,
        class_names=tuple(few_drums),
        dataset="drums",
        data_hash=data.content_hash(),
    )
    torch.manual_seed(0)
    checkpoint = Checkpoint(config, families["vae"].build_model(config.spec).eval())
    asked = ("kid", "precision", "recall", "memorisation", "bits_per_dimension")
    poor = evaluate(checkpoint, extractor="mnist-classifier", num_samples=100, metrics=asked)
    assert (poor.protocol.modality, poor.protocol.split, poor.protocol.resolution) == ("audio", "test", 32)
    assert poor.protocol.dataset_hash == kind.load_split("drums", "test").content_hash()
    assert set(poor.figures) == {"kid", "precision", "recall", "memorisation"}

    def copied(noise: Tensor, condition: Condition, options: object) -> Tensor:
        return kind.to_model(data.samples[torch.arange(len(noise)) % len(data)])

    monkeypatch.setattr(checkpoint.model, "generate", copied)
    shutil.rmtree(own_cache / "features")  # which are kept by the weights
    copier = evaluate(checkpoint, extractor="mnist-classifier", num_samples=100, metrics=asked)
    assert copier.figures["kid"].value < poor.figures["kid"].value
    assert copier.figures["precision"].value > 0.3 > poor.figures["precision"].value
