"""torch-fidelity's Inception and CLIP. Their weights are downloaded on first use, unless a file of them is given."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from aigc_core.errors import AIGCError

from . import Extractor, extractors, hash_of_weights

LAYERS = {"inception-v3-compat": ["2048", "logits_unbiased"], "clip-vit-b-32": ["clip"]}
"""The layers that torch-fidelity takes for FID, KID, precision and recall, and, where there is one, for IS."""


class FidelityNetwork(nn.Module):
    """One of torch-fidelity's extractors, uint8 [N, 3, H, W] → features float32 [N, F] and logits float32 [N, K]."""

    def __init__(self, name: str, weights: Path) -> None:
        from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

        super().__init__()
        self.extractor = FEATURE_EXTRACTORS_REGISTRY[name](
            name, LAYERS[name], feature_extractor_weights_path=str(weights), verbose=False
        ).eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, *logits = self.extractor(images)
        return features, logits[0] if logits else features.new_zeros(len(features), 0)


def downloaded(name: str, url: str, hash_prefix: str | None = None) -> Path:
    """The file of weights at `url`, fetched once into torch.hub's folder; `hash_prefix` is of its SHA-256, if known.

    Raises AIGCError with what to do where it cannot be had.
    """
    file_name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / file_name
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix)
        except (OSError, RuntimeError) as error:
            raise AIGCError(
                "'{name}' needs the weights {file_name}, which could not be downloaded ({error}); fetch {url} "
                "elsewhere and give it with --weights FILE, or put it into '{folder}'.",
                name=name,
                file_name=file_name,
                error=error,
                url=url,
                folder=path.parent,
            ) from None
    return path


def _load(name: str, weights: Path | None) -> Extractor:
    from torch_fidelity import feature_extractor_clip, feature_extractor_inceptionv3

    if name == "inception-v3-compat":
        url, hash_prefix = feature_extractor_inceptionv3.URL_INCEPTION_V3, "6726825d"
    else:
        url, hash_prefix = feature_extractor_clip.MODEL_URLS[name], feature_extractor_clip.MODEL_METADATA[name]["hash"]
    path = weights or downloaded(name, url, hash_prefix)
    try:
        if name == "inception-v3-compat":
            # torch-fidelity would unpickle anything; what loads here holds tensors only.
            torch.load(path, weights_only=True)
        network = FidelityNetwork(name, path)
    except (RuntimeError, KeyError, ValueError, EOFError, OSError, pickle.UnpicklingError):
        raise AIGCError(
            "'{path}' does not hold weights of '{name}'; fetch {url}.",
            path=path,
            name=name,
            url=url,
        ) from None
    return Extractor(name, hash_of_weights(path), network, channels=3)


for _name in LAYERS:
    extractors.register(_name, partial(_load, _name))
