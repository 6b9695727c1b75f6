"""Grids over two settings: their values, their cells, and the picture with labels."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from aigc_core import AIGCError, Checkpoint, SampleRequest
from aigc_core.cli import main
from aigc_core.modalities.labelled_grid import labelled_grid
from aigc_core.modalities.png import read_png, save_png
from aigc_core.modalities.provenance import Statement
from aigc_core.sampling.grid import Axis, draw_cells, grid_requests
from aigc_core.sampling.sample import sample, sample_all
from tests.toy_models import toy_checkpoint

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("seed", "1-8", ("1", "2", "3", "4", "5", "6", "7", "8")),
        ("seed", "9, 3-1,9", ("9", "3", "2", "1")),
        ("truncation", "0.5, 0.7, 1", ("0.5", "0.7", "1")),
        ("offset.pca0", "-3,-1.5, 0", ("-3", "-1.5", "0")),
        ("class", "Bag, Shirt:0.5+Coat:0.5,0-1", ("Bag", "Shirt:0.5+Coat:0.5", "0", "1")),
    ],
)
def test_values_are_a_list_with_ranges(name: str, text: str, values: tuple[str, ...]) -> None:
    config = toy_checkpoint().config
    axis = Axis.parse(name, text, config)
    assert axis.values == values and Axis.parse(*axis.text().split("=", 1), config) == axis


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (("seed", " , "), ("class", "Bag"), "'seed' has no values"),
        (("seed", "1-9999999"), ("class", "Bag"), "at most 16 values a side"),
        (("seed", "1-2"), ("seed", "3"), "Both sides of the grid are 'seed'"),
        (("seed", "1,far"), ("class", "Bag"), "'seed' is wrong"),
        (("steps", "1"), ("class", "Bag"), "no side 'steps'; choose two of seed, class, step, truncation"),
        (("truncation", "0.5,2"), ("class", "Bag"), "'truncation' is wrong"),
        (("step", "last"), ("class", "Bag"), "'last' is no step of training"),
    ],
)
def test_what_makes_no_grid_is_a_sentence(x: tuple[str, str], y: tuple[str, str], sentence: str) -> None:
    checkpoint = toy_checkpoint()
    with pytest.raises(AIGCError, match=sentence):
        grid_requests(checkpoint, SampleRequest(), *(Axis.parse(*axis, checkpoint.config) for axis in (x, y)))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (("seed", "5-7"), ("class", "Bag,Shirt:0.5+Coat:0.5")),
        (("truncation", "0,0.5,1"), ("seed", "9,2")),
        (("offset.z1", "-2,0,2"), ("truncation", "0.3,1")),
        (("mix_seed", "3,4"), ("mix_layer", "0,2")),
    ],
)
def test_each_cell_is_the_picture_drawn_by_itself(x: tuple[str, str], y: tuple[str, str]) -> None:
    checkpoint = toy_checkpoint("toy-style")
    base = SampleRequest(seed=4, labels="Coat", options={"offset.z0": "1"})
    across, down = (Axis.parse(*axis, checkpoint.config) for axis in (x, y))
    cells = draw_cells(grid_requests(checkpoint, base, across, down), lambda requests: sample_all(checkpoint, requests))
    assert len(cells) == len(across.values) * len(down.values)
    for index, cell in enumerate(cells):
        row, column = divmod(index, len(across.values))
        settings: dict[str, object] = {"seed": 4, "labels": "Coat", "offset.z0": 1}
        for axis, value in ((across, across.values[column]), (down, down.values[row])):
            settings["labels" if axis.name == "class" else axis.name] = value
        alone = checkpoint.sample(**settings).images[0]
        assert (cell.int() - alone.int()).abs().max() <= 1
    assert len({cell.numpy().tobytes() for cell in cells}) > 1


def test_steps_of_a_training_are_a_side(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for name in ("dcgan", "mlp"):
        toy_checkpoint(name).save_pretrained(run / f"step-00000{10 if name == 'dcgan' else 20}")
    opened = Checkpoint.from_pretrained(run)
    axes = Axis.parse("step", "10,final", opened.config), Axis.parse("seed", "1-2", opened.config)
    requests = grid_requests(opened, SampleRequest(checkpoint=str(run)), *axes)
    assert [request.checkpoint for request in requests[:2]] == [f"{run}@step-0000010", str(run)]
    cells = draw_cells(requests, lambda some: sample_all(Checkpoint.from_pretrained(some[0].checkpoint), some))
    for name, column in (("dcgan", 0), ("mlp", 1)):
        expected = sample(toy_checkpoint(name), SampleRequest(seed=1, count=2)).stored
        assert (cells[column::2].int() - expected.int()).abs().max() <= 1


def test_the_picture_has_room_for_labels_and_every_cell_in_its_place() -> None:
    cells = torch.arange(6, dtype=torch.uint8).mul(40).view(6, 1, 1, 1).expand(-1, 3, 48, 48)
    picture = labelled_grid(cells, ["1", "2", "3"], ["a", "a very long name that is cut off at some place"], "x", "y")
    middle = [picture[0, 2 * 20 + 48 + 100 * row, 168 + 48 + 100 * column] for row in (0, 1) for column in range(3)]
    assert torch.stack(middle).tolist() == [0, 40, 80, 120, 160, 200]
    assert picture.shape == (3, 2 * 20 + 2 * 100, 168 + 3 * 100)
    for column in range(3):  # something is written above each, and beside the rows
        assert picture[0, 20:40, 168 + 100 * column : 264 + 100 * column].min() < 100
    assert picture[0, 40:136, :168].min() < 100 and picture[0, 140:, :168].min() < 100
    with pytest.raises(AIGCError, match="million pixels"):
        labelled_grid(torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(100, 1, 1024, 1024), ["1"] * 10, ["1"] * 10)


def test_labels_in_letters_that_pillows_font_lacks_can_be_told_apart() -> None:
    cells = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)

    def written(*top: str) -> list[torch.Tensor]:
        picture = labelled_grid(cells, top, ["row"])
        return [picture[0, 20:40, -200 + 100 * column :][:, :96] for column in range(2)]

    forest, river = written("森林", "江河")
    assert forest.min() < 100 and not torch.equal(forest, river)
    assert torch.equal(written("\U0010ffff", "2")[0], written("1", "2")[0])  # which no font has


def test_a_grid_is_made_again_from_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, file = toy_checkpoint("resnet").save_pretrained(tmp_path / "model"), tmp_path / "grid.png"
    words = ["sample", str(folder), "--seed", "4", "--truncation", "0.7", "--x", "class=Bag,Shirt:0.5+Coat:0.5"]
    assert main([*words, "--y", "seed=3-5", "--out", str(file)]) == 0
    picture, provenance = read_png(file)
    assert main(["inspect", str(file)]) == 0
    said = capsys.readouterr().out
    assert "grid_y=seed%3D3%2C4%2C5" in said and "pixels: made again, and they match" in said
    for name, place, sentence in (
        ("cell", (-50, -50), "pixels do not match"),
        ("label", (30, -50), "not their labels"),
    ):
        changed = picture.clone()
        changed[0, place[0], place[1]] ^= 255
        save_png(tmp_path / f"{name}.png", changed, Statement(provenance.request, provenance.weights))
        assert main(["inspect", str(tmp_path / f"{name}.png")]) == 2
        assert sentence in capsys.readouterr().err
    save_png(tmp_path / "cut.png", picture[:, :90, :90], Statement(provenance.request, provenance.weights))
    assert main(["inspect", str(tmp_path / "cut.png")]) == 2
    assert "the file has 90 × 90" in capsys.readouterr().err


def test_the_command_draws_a_grid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = toy_checkpoint("resnet")
    folder = checkpoint.save_pretrained(tmp_path / "model")
    words = ["sample", str(folder), "--labels", "Bag", "--x", "truncation=0.5,1", "--y", "seed=3-5"]
    assert main([*words, "--out", str(tmp_path / "grid.png")]) == 0
    picture, provenance = read_png(tmp_path / "grid.png")
    assert provenance.weights == checkpoint.weights_sha256
    expected = checkpoint.sample(seed=5, labels="Bag", truncation=0.5).images[0]
    y, left = 2 * 20 + 2 * 100, picture.shape[2] - 2 * 100
    assert (picture[:, y : y + 96 : 3, left : left + 96 : 3].int() - expected.int()).abs().max() <= 1
    assert main([*words[:-2], "--out", str(tmp_path / "grid.png")]) == 2
    assert "--x and --y" in capsys.readouterr().err
