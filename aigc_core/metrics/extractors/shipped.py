"""The small classifiers that ship with the project: of each data set the one whose features are measured by default
(`aigc_core.metrics.classifier`), and a second judge (`aigc_core.metrics.second_judge`)."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from aigc_core.errors import AIGCError
from aigc_core.metrics import classifier, second_judge
from aigc_core.metrics.classification import ImageClassifier

from . import Extractor, extractors, hash_of_weights, register_second_judge


def _load(name: str, own: Path, build: type[ImageClassifier], weights: Path | None) -> Extractor:
    card = json.loads(own.with_suffix(".json").read_text())
    settings = {"width": card["width"], "stem_stride": card.get("stem_stride", 1)}
    network = build(card["channels"], card["num_classes"], **settings).eval().requires_grad_(False)
    path = weights or own
    try:
        network.load_state_dict(load_file(path))  # half precision becomes single
    except (SafetensorError, RuntimeError):
        raise AIGCError("'{path}' does not hold weights of '{name}'.", path=path, name=name) from None
    return Extractor(name, hash_of_weights(path), network, card["channels"], card["dataset"])


for _own in sorted(classifier.WEIGHTS_FOLDER.glob("*.safetensors")):
    _name = f"{_own.stem}-classifier"
    extractors.register(_name, partial(_load, _name, _own, classifier.Classifier))
for _own in sorted(second_judge.WEIGHTS_FOLDER.glob("*.safetensors")):
    _name = f"{_own.stem}-second-judge"
    register_second_judge(_own.stem, _name, partial(_load, _name, _own, second_judge.ResidualClassifier))
