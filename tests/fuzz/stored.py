"""Files of a checkpoint's folder with damaged bytes and JSON: all that is read of what others may have written."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
import torch
from torch import nn

from aigc_core.checkpoint.layout import CONFIG_FILE, DIRECTIONS_FILE, TRAINING_STATE_FOLDER, WEIGHTS_FILE
from aigc_core.evaluation.results import FIGURES, read_results, write_result
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling import directions
from aigc_core.sampling.directions import kept_directions, load_directions
from aigc_core.serving.leaderboard import by_protocol, collect, ranked
from aigc_core.serving.tables import as_latex, as_rows
from aigc_core.training.state import COUNTERS_FILE, load_training_state, save_training_state
from tests.toy_models import toy_checkpoint
from tests.toy_results import toy_result

from .mutations import mutate_bytes, mutate_json
from .target import Target

STATE_FILES = tuple(
    f"{TRAINING_STATE_FOLDER}/{name}" for name in (COUNTERS_FILE, "model.safetensors", "model_optimizer.safetensors")
)


class Stored(Target):
    """An input is the name of a file, a line end, and the file's content."""

    short = 600

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("AIGC_CACHE", str(scratch / "cache"))
        self.folder = toy_checkpoint("mlp").save_pretrained(scratch / "toy")
        load_directions(Checkpoint.from_pretrained(self.folder))
        self.result_file = str(write_result(toy_result(12.5), self.folder).relative_to(self.folder))
        modules, optimizers = _trained()
        counters = {"step": 7, "samples_seen": 448, "training_seconds": 1.5}
        save_training_state(self.folder / TRAINING_STATE_FOLDER, modules, optimizers, counters)
        self.readers: dict[str, Callable[[], str]] = {
            CONFIG_FILE: self._read_checkpoint,
            WEIGHTS_FILE: self._read_checkpoint,
            self.result_file: self._read_results,
            DIRECTIONS_FILE: self._read_directions,
            **dict.fromkeys(STATE_FILES, self._read_state),
        }
        self.valid = {name: (self.folder / name).read_bytes() for name in self.readers}

    def close(self) -> None:
        self.patch.undo()

    def inputs(self, seed: int) -> Iterator[bytes]:
        random = Random(seed)
        yield from (f"{name}\n".encode() + data for name, data in self.valid.items())
        while True:
            name = random.choice([*self.valid])
            data = self.valid[name]
            if random.random() < 0.25:
                data = mutate_bytes(random, data)
            elif name.endswith(".json"):
                data = mutate_json(random, json.loads(data))
            else:
                data = _header_changed(random, data)
            yield f"{name}\n".encode() + data

    def attempt(self, data: bytes) -> str:
        name, _, content = data.partition(b"\n")
        file = self.folder / name.decode()
        file.write_bytes(content)
        directions._known.clear()
        try:
            return f"{file.name}: {self.readers[name.decode()]()}"
        finally:
            file.write_bytes(self.valid[name.decode()])

    def _read_checkpoint(self) -> str:
        checkpoint = Checkpoint.from_pretrained(self.folder)
        assert checkpoint.config == checkpoint.config.model_validate_json(checkpoint.config.as_json())
        checkpoint.config.published()
        return f"{len(checkpoint.sample(seed=1, count=2).stored)} samples"

    def _read_results(self) -> str:
        results = read_results(self.folder)
        entries = collect([str(self.folder)])
        for group in by_protocol(entries).values():
            for figure in FIGURES:
                lines = ranked(group, figure)
                assert len(as_rows(lines)) == len(lines) == len(group)
                as_latex(lines, [figure])
        return f"{len(results)} results"

    def _read_directions(self) -> str:
        checkpoint = Checkpoint.from_pretrained(self.folder)
        kept = kept_directions(checkpoint)
        if kept is None:
            return "to be found anew"
        moved = checkpoint.sample(seed=1, count=2, offsets={name: 1.5 for name in kept.strongest(2)})
        assert len(moved.stored) == 2
        return "read"

    def _read_state(self) -> str:
        modules, optimizers = _trained()
        counters = load_training_state(self.folder / TRAINING_STATE_FOLDER, modules, optimizers)
        assert type(counters["step"]) is int and type(counters["samples_seen"]) is int
        assert counters["training_seconds"] + 1.0 > 0
        _step(modules["model"], optimizers["model"])
        return "read"


def _trained() -> tuple[dict[str, nn.Module], dict[str, torch.optim.Optimizer]]:
    """A module and its optimiser after a step."""
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(module.parameters())
    _step(module, optimizer)
    return {"model": module}, {"model": optimizer}


def _step(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()


def _header_changed(random: Random, data: bytes) -> bytes:
    """A safetensors file with a header of another content, and a length that fits it mostly."""
    (length,) = struct.unpack("<Q", data[:8])
    header = mutate_json(random, json.loads(data[8 : 8 + length]))
    told = len(header) if random.random() < 0.9 else random.choice((0, 1, len(header) + 1, 2**40, 2**64 - 1))
    return struct.pack("<Q", told) + header + data[8 + length :]
