"""Images that are made when they are asked for, as they would not all fit into memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

LUMA = (0.299, 0.587, 0.114)
"""The weights of red, green and blue (ITU-R BT.601)."""
PART_BYTES = 64 * 2**20


class StreamedImages(ABC):
    """Stands for a tensor uint8 [N, C, H, W] as far as `shape`, `len`, indexing and `split` go."""

    shape: torch.Size

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, indices: Tensor) -> Tensor:
        """The images uint8 [n, C, H, W] at `indices` int64 [n]."""

    @abstractmethod
    def part(self, start: int, stop: int) -> StreamedImages:
        """Those from `start` to before `stop`, still unread."""

    def split(self, size: int) -> Iterator[Tensor]:
        """All images in order, `size` at a time."""
        return (self[indices] for indices in torch.arange(len(self)).split(size))


class ConvertedImages(StreamedImages):
    """Images uint8 [N, C, H, W] in another resolution, cubic with antialiasing, or made grey, or grey as colour."""

    def __init__(self, images: Tensor, resolution: int | None, channels: int | None) -> None:
        self._images = images
        height, width = (resolution, resolution) if resolution else images.shape[2:]
        self.shape = torch.Size((len(images), channels or images.shape[1], height, width))

    def __getitem__(self, indices: Tensor) -> Tensor:
        images = self._images[indices]
        _, channels, height, width = self.shape
        if channels < images.shape[1]:
            images = (images * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True).round().byte()
        images = images.expand(-1, channels, -1, -1)
        if images.shape[2:] == (height, width):
            return images.contiguous()
        return functional.interpolate(images, (height, width), mode="bicubic", antialias=True)

    def part(self, start: int, stop: int) -> ConvertedImages:
        return ConvertedImages(self._images[start:stop], self.shape[2], self.shape[1])

    def all(self) -> Tensor:
        """All of them, uint8 [N, C, H, W]."""
        converted = torch.empty(self.shape, dtype=torch.uint8)
        rows = max(1, PART_BYTES // (16 * self.shape[1:].numel()))
        for part, images in zip(converted.split(rows), self.split(rows)):
            part.copy_(images)
        return converted
