"""The small classifiers that ship with the project, one a data set; see `aigc_core.metrics.classifier`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from aigc_core.errors import AIGCError
from aigc_core.metrics.classifier import WEIGHTS_FOLDER, Classifier

from . import Extractor, extractors, hash_of_weights


def _load(dataset: str, weights: Path | None) -> Extractor:
    path = weights or WEIGHTS_FOLDER / f"{dataset}.safetensors"
    card = json.loads((WEIGHTS_FOLDER / f"{dataset}.json").read_text())
    classifier = Classifier(card["channels"], card["num_classes"], card["width"]).eval().requires_grad_(False)
    try:
        classifier.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise AIGCError(
            "'{path}' does not hold weights of '{dataset}-classifier' ({reason}).",
            path=path,
            dataset=dataset,
            reason=reason,
        ) from None
    return Extractor(f"{dataset}-classifier", hash_of_weights(path), classifier, card["channels"], dataset)


for _weights in WEIGHTS_FOLDER.glob("*.safetensors"):
    extractors.register(f"{_weights.stem}-classifier", partial(_load, _weights.stem))
