"""Names of any letters through every boundary that they cross: classes and folders from a data set's folder to what
`inspect` reads in a PNG, and references to checkpoints."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from random import Random
from unicodedata import normalize

import pytest
import torch
from hypothesis import strategies
from PIL import Image

from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.checkpoint.reference import CheckpointReference, published_reference
from aigc_core.commands import inspect
from aigc_core.config import parse_config
from aigc_core.demo import models
from aigc_core.hub.card import write_card
from aigc_core.loading import find_checkpoint
from aigc_core.modalities.image import ImageModality
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.labels import class_entries, join_entries, parse_labels, split_entries
from aigc_core.sampling.request import SampleRequest
from aigc_core.serving.leaderboard import collect, labels, model_names
from aigc_core.training.preflight import check_names
from aigc_core.training.recipe import TrainingConfig
from tests.toy_models import toy_checkpoint

from .mutations import any_text, drawn, mutate_text
from .target import Target, try_each

SPECIAL = (
    "a", "0", "00", "10", "Bag", "bag", "BAG", "é", "e\u0301", "a@b", "a@main", "@step-0000001", "step-0000001", "a:b",
    "a,b", "a+b", "a\\", "\\,", " a ", "a\n", "\n", "a\rb", "\x1b[2J", "…", "-", "--out", "~", "~root", "..a", "a%2Fb",
    "\udcff", "a\udc80b", "x" * 255, "é" * 127, "\u202e", "<b>", "'", '"', "{", "{0}", "{name}", "null", "tag:x", "$1",
    "collection:a", "main", "C:", "\u2028", "\ufeff", "ß", "ẞ", "ﬁ", "İ", "\t", "*", "?", "#", "&amp;", "a=b", ".a",
)  # fmt: skip
NAMES = strategies.one_of(strategies.sampled_from(SPECIAL), any_text(1, 12))
REFERENCES = strategies.one_of(
    NAMES,
    strategies.tuples(
        NAMES, st_sep := strategies.sampled_from(("/", "@", "/@", "@@", "@step-0000001", ":")), NAMES
    ).map("".join),
    strategies.tuples(NAMES, st_sep, NAMES, st_sep, NAMES).map("".join),
)
CASES = strategies.fixed_dictionaries(
    {"classes": strategies.lists(NAMES, min_size=3, max_size=3), "folder": NAMES, "reference": REFERENCES}
)


class Names(Target):
    """An input is a JSON object: names of `classes`, of a `folder`, and a `reference`; \\udcXX is the byte XX."""

    short = 60

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        self.patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(scratch / "cache"))
        self.toy = toy_checkpoint()
        stream = io.BytesIO()
        Image.new("L", (28, 28), 128).save(stream, "PNG")
        self.picture = stream.getvalue()

    def close(self) -> None:
        self.patch.undo()

    def inputs(self, seed: int) -> Iterator[bytes]:
        random = Random(seed)
        yield json.dumps(
            {"classes": ["Shirt", "Bag", "Coat"], "folder": "clothes", "reference": "nobody/none"}
        ).encode()
        for case in drawn(CASES, seed):
            if random.random() < 0.2:
                case["reference"] = mutate_text(random, case["reference"])
            yield json.dumps(case).encode()

    def attempt(self, data: bytes) -> str:
        case = json.loads(data)
        room = self.scratch / "room"
        room.mkdir()
        try:
            return try_each(
                reference=lambda: self._refer(case["reference"]),
                classes=lambda: self._carry_names(case["classes"]),
                all=lambda: self._carry(room, case["folder"], case["classes"]),
            )
        finally:
            shutil.rmtree(room)

    def _refer(self, text: str) -> None:
        reference = CheckpointReference.parse(text)
        assert CheckpointReference.parse(str(reference)) == reference, "a reference that is not read back"
        published_reference(text)
        (entry, *_) = collect([text])
        assert entry.problem and len(entry.problem.splitlines()) == 1, entry.problem
        labels([entry]), model_names([entry])
        try_each(
            public=lambda: Checkpoint.from_pretrained(text),
            app=lambda: find_checkpoint(text),
            steps=lambda: models.earlier_steps(text),
        )

    def _carry_names(self, names: list[str]) -> None:
        """Names from a config to the classes that a request asks for, without a disk."""
        check_names(Path("run"), "data", tuple(names))
        settings = self.toy.config.model_dump() | {"class_names": names}
        config = parse_config(CheckpointConfig, settings, "The config")
        assert CheckpointConfig.model_validate_json(config.as_json()) == config
        entries = class_entries(config.class_names, 3)
        assert split_entries(join_entries(entries)) == entries
        request = parse_config(SampleRequest, {"labels": join_entries(entries), "count": 3}, "Request")
        again = SampleRequest.from_canonical(request.canonical())
        assert torch.equal(parse_labels(again.labels, config.class_names, 3), torch.eye(3)), "not its class"

    def _carry(self, room: Path, folder: str, classes: list[str]) -> None:
        """Names from the folder of a data set to what is read in a sample of a model trained on it."""
        data = room / "data" / folder
        if not all(map(_fits_a_disk, [folder, *classes])):
            return
        for name in classes:
            (data / name).mkdir(parents=True, exist_ok=True)
            (data / name / "a.png").write_bytes(self.picture)
        parse_config(TrainingConfig, {"data": str(data)}, "The recipe")
        _, dataset = ImageModality.load(str(data), {"resolution": 28, "channels": 1})
        shown = {normalize("NFC", name) for name in classes if not name.startswith(".")}
        assert not dataset.class_names or {*dataset.class_names} <= shown, (dataset.class_names, shown)
        check_names(room / folder, dataset.name, dataset.class_names)
        if len(dataset.class_names) != 3:
            return
        settings = self.toy.config.model_dump() | {"class_names": dataset.class_names, "dataset": dataset.name}
        config = parse_config(CheckpointConfig, settings, "A checkpoint")
        made = Checkpoint(config, self.toy.model).save_pretrained(room / folder)
        write_card(made)
        checkpoint = Checkpoint.from_pretrained(made)
        entries = class_entries(checkpoint.config.class_names, 3)
        samples = checkpoint.sample(seed=1, count=3, labels=join_entries(entries))
        assert torch.equal(samples.labels, torch.eye(3)), "not its class"
        samples.save(room / "samples.png")
        with contextlib.redirect_stdout(io.StringIO()):
            assert inspect.run(Namespace(file=str(room / "samples.png"), checkpoint=None, watermark_key=None)) == 0
        (entry,) = collect([str(made)])
        assert not entry.problem and entry.config == checkpoint.config, entry.problem
        assert find_checkpoint(str(made)) == made


def _fits_a_disk(name: str) -> bool:
    """Whether a file here may be called so."""
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        return False
    return 0 < len(encoded) <= 255 and name not in (".", "..") and not {0, ord("/")} & {*encoded}
