"""The small convolutional classifier whose pooled maps serve as features where no network is at hand."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..config import Config, parse_config

WEIGHTS_FOLDER = Path(__file__).parent / "weights"


class ClassifierCard(Config):
    """What a shipped classifier is and how it was made; `test_accuracy` is a share from 0 to 1."""

    dataset: str
    data_licence: str
    channels: int = Field(ge=1, le=4)
    num_classes: int = Field(ge=2, le=10_000)
    widths: tuple[int, ...]
    test_accuracy: float = Field(ge=0, le=1)
    epochs: int
    seconds: float
    command: str


class Convolution(nn.Module):
    """relu(norm(conv(x))): 3 × 3, [N, inputs, H, W] → [N, outputs, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x)))


class Residual(Convolution):
    """x + relu(norm(conv(x))) (He et al. 2016, with one convolution)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class Classifier(nn.Module):
    """One convolution at full resolution, then for each further width a strided and a residual one."""

    def __init__(self, channels: int, num_classes: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = [Convolution(channels, widths[0])]
        for inputs, outputs in zip(widths, widths[1:]):
            layers += [Convolution(inputs, outputs, stride=2), Residual(outputs)]
        self.layers = nn.Sequential(*layers)
        self.to_logits = nn.Linear(widths[-1], num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [N, C, H, W] → features [N, widths[-1]], logits [N, num_classes], float32."""
        inputs = images.float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)
        features = self.layers(inputs).float().mean((2, 3))
        return features, self.to_logits(features).float()

    def fold_normalisation(self) -> None:
        """Merge each batch normalisation, as it is in eval mode, into the convolution before it."""
        self.eval()
        for module in self.modules():
            if isinstance(module, Convolution):
                if isinstance(module.norm, nn.BatchNorm2d):
                    module.conv = fuse_conv_bn_eval(module.conv, module.norm)
                module.norm = nn.Identity()


def save_classifier(classifier: Classifier, card: ClassifierCard) -> None:
    """Write a folded classifier's weights, in half precision, and its card into WEIGHTS_FOLDER."""
    WEIGHTS_FOLDER.mkdir(exist_ok=True)
    weights = {name: tensor.half().contiguous() for name, tensor in classifier.state_dict().items()}
    save_file(weights, weights_file(card.dataset))
    weights_file(card.dataset).chmod(0o644)
    weights_file(card.dataset).with_suffix(".json").write_text(json.dumps(card.model_dump(), indent=2) + "\n")


def load_classifier(dataset: str) -> Classifier:
    """The shipped classifier of a data set, in eval mode, computing in float32."""
    card = read_card(dataset)
    classifier = Classifier(card.channels, card.num_classes, card.widths)
    classifier.fold_normalisation()
    classifier.load_state_dict({name: tensor.float() for name, tensor in load_file(weights_file(dataset)).items()})
    return classifier.to(memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload]


def weights_file(dataset: str) -> Path:
    """Where the weights of a data set's classifier lie; the card is beside them, ending in .json."""
    return WEIGHTS_FOLDER / f"{dataset}.safetensors"


def read_card(dataset: str) -> ClassifierCard:
    """The card of a data set's shipped classifier."""
    path = weights_file(dataset).with_suffix(".json")
    return parse_config(ClassifierCard, json.loads(path.read_text()), f"'{path}'")
