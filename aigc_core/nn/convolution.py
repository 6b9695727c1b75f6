"""Convolution whose derivatives, of any order, are convolutions again.

Gradient penalties differentiate gradients. Autograd's own second derivative of a convolution swaps batch and channels,
which copies every map, and splits grouped convolutions into their groups. But ⟨convolve(x, w), g⟩ is linear in each of
x, w and g, so each of its three partial derivatives has the other two as derivatives: the output (with respect to g),
the gradient of the maps (x) and the gradient of the weight (w).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Convolution(nn.Conv2d):
    """`torch.nn.Conv2d` with zero padding, for grouped convolutions under a gradient penalty."""

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding[0]
        assert isinstance(padding, int)
        return convolve(input, self.weight, self.bias, self.stride[0], padding, self.groups)


def convolve(
    maps: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, groups: int = 1
) -> Tensor:
    """maps [N, C, H, W], weight [K, C / groups, h, w], bias [K] → [N, K, H′, W′], as `torch.nn.functional.conv2d`.

    In mixed precision it calls that function.
    """
    if torch.is_autocast_enabled(maps.device.type):
        return functional.conv2d(maps, weight, bias, stride, padding, groups=groups)
    shape = _Shape(maps.shape, weight.shape, stride, padding, groups)
    return _Partial.apply(maps, weight, None, bias, shape)


class _Shape(NamedTuple):
    """The shapes and settings of a convolution."""

    maps: torch.Size
    weight: torch.Size
    stride: int
    padding: int
    groups: int


class _Partial(torch.autograd.Function):
    """The derivative of ⟨convolve(maps, weight), gradient⟩ with respect to the one of the three that is None."""

    @staticmethod
    def forward(
        ctx: Any,
        maps: Tensor | None,
        weight: Tensor | None,
        gradient: Tensor | None,
        bias: Tensor | None,
        shape: _Shape,
    ) -> Tensor:
        ctx.save_for_backward(maps, weight, gradient)
        ctx.shape = shape
        if gradient is None:
            assert maps is not None and weight is not None
            return functional.conv2d(maps, weight, bias, shape.stride, shape.padding, groups=shape.groups)
        wanted = [maps is None, weight is None, False]
        # convolution_backward uses only size and layout of the tensor whose gradient is wanted, not its values.
        if maps is None:
            channels_last = gradient.is_contiguous(memory_format=torch.channels_last)
            layout = torch.channels_last if channels_last else torch.contiguous_format
            maps = torch.empty(shape.maps, dtype=gradient.dtype, device=gradient.device, memory_format=layout)
        if weight is None:
            weight = gradient.new_empty(shape.weight)
        steps = ([shape.stride] * 2, [shape.padding] * 2, [1, 1], False, [0, 0], shape.groups)
        return torch.ops.aten.convolution_backward(gradient, maps, weight, None, *steps, wanted)[wanted.index(True)]

    @staticmethod
    def backward(ctx: Any, *incoming: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight, gradient = (incoming[0] if part is None else part for part in ctx.saved_tensors)
        by_maps, by_weight, by_gradient, by_bias, _ = ctx.needs_input_grad
        return (
            _Partial.apply(None, weight, gradient, None, ctx.shape) if by_maps else None,
            _Partial.apply(maps, None, gradient, None, ctx.shape) if by_weight else None,
            _Partial.apply(maps, weight, None, None, ctx.shape) if by_gradient else None,
            gradient.sum((0, 2, 3)) if by_bias else None,
            None,
        )
