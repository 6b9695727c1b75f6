"""Protocols under which papers report figures: what to measure for them, and which of them a result follows."""

from __future__ import annotations

from dataclasses import dataclass

from aigc_core.errors import Sentence

from .results import Protocol


@dataclass(frozen=True)
class PublishedProtocol:
    """What is measured: `figures` of `num_samples` samples against a whole split of a named set.

    `weights`: the first 8 digits of the SHA-256 of the extractor's published weights. `matches`: the publications whose
    figures are comparable.
    """

    dataset: str
    split: str
    num_reference: int
    resolution: int
    extractor: str
    weights: str
    num_samples: int
    figures: tuple[str, ...]
    matches: Sentence

    @property
    def reference(self) -> str:
        """DATASET:SPLIT."""
        return f"{self.dataset}:{self.split}"

    @property
    def conditions(self) -> str:
        """What it takes, in the words of `conditions_of`."""
        return _conditions(self.num_samples, self.resolution, 3, self.num_reference, self.reference, self.extractor,
                           self.weights)  # fmt: skip

    def is_followed_by(self, protocol: Protocol) -> bool:
        """Whether a result under this protocol of ours compares with the published ones."""
        whole = protocol.modality == "image" and protocol.truncation == 1
        return whole and conditions_of(protocol) == self.conditions


published_protocols = {
    "fid50k": PublishedProtocol(
        dataset="cifar10",
        split="train",
        num_reference=50_000,
        resolution=32,
        extractor="inception-v3-compat",
        weights="6726825d",
        num_samples=50_000,
        figures=("fid",),
        matches=Sentence(
            "This is torch-fidelity's FID by the protocol that papers report for CIFAR-10: 50,000 samples against the "
            "50,000 training images, pool3 features of the Inception network of 2015-12-05 (DDPM; fid50k_full of "
            "StyleGAN2-ADA; EDM, which reports the best of three samplings)."
        ),
    )
}


def conditions_of(protocol: Protocol) -> str:
    """Under which conditions a result was measured: what published figures must have in common with it."""
    against = f"{protocol.dataset}:{protocol.split}"
    size, channels, weights = protocol.resolution, protocol.channels, protocol.extractor_hash[:8]
    return _conditions(
        protocol.num_samples, size, channels, protocol.num_reference, against, protocol.extractor, weights
    )


def _conditions(samples: int, size: int, channels: int, reals: int, against: str, extractor: str, weights: str) -> str:
    return (
        f"{samples:,} samples of {size} × {size} in {channels} channels against {reals:,} of {against}, features of "
        f"{extractor} with the weights {weights}"
    )


def published_match(protocol: Protocol) -> Sentence | None:
    """The publications whose figures are comparable with results under a protocol; None if there are none."""
    return next((each.matches for each in published_protocols.values() if each.is_followed_by(protocol)), None)
