"""Convolution whose derivatives, of any order, are convolutions again.

Gradient penalties differentiate gradients. Autograd's own second derivative of a convolution swaps batch and channels,
which copies every map, and takes grouped convolutions apart group by group. But ⟨convolve(x, w), g⟩ is linear in each
of x, w and g, so its three partial derivatives are each other's: the output (by g), the gradient of the maps (by x)
and the gradient of the weight (by w).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Convolution(nn.Conv2d):
    """`torch.nn.Conv2d` with zeros as padding, for grouped convolutions under a gradient penalty."""

    def forward(self, input: Tensor) -> Tensor:
        return convolve(input, self.weight, self.bias, self.stride[0], self.padding[0], self.groups)  # type: ignore[arg-type]


def convolve(
    maps: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, groups: int = 1
) -> Tensor:
    """maps [N, C, H, W], weight [K, C / groups, h, w], bias [K] → [N, K, H′, W′], as `torch.nn.functional.conv2d`.

    In mixed precision it is that very function.
    """
    if torch.is_autocast_enabled(maps.device.type):
        return functional.conv2d(maps, weight, bias, stride, padding, groups=groups)
    shape = _Shape(maps.shape, weight.shape, stride, padding, groups)
    return _Output.apply(maps, weight, bias, shape)  # type: ignore[return-value]


class _Shape(NamedTuple):
    """What, beside the tensors, determines a convolution."""

    maps: torch.Size
    weight: torch.Size
    stride: int
    padding: int
    groups: int


def _gradients(
    gradient: Tensor, maps: Tensor, weight: Tensor, shape: _Shape, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    """Those of maps and weight as far as they are wanted; what is not wanted is undefined."""
    steps = ([shape.stride] * 2, [shape.padding] * 2, [1, 1], False, [0, 0], shape.groups)
    return torch.ops.aten.convolution_backward(gradient, maps, weight, None, *steps, (*wanted, False))[:2]


class _Output(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, shape: _Shape) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.shape = shape
        return functional.conv2d(maps, weight, bias, shape.stride, shape.padding, groups=shape.groups)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (maps, weight) = gradients, ctx.saved_tensors
        by_maps, by_weight, by_bias, _ = ctx.needs_input_grad
        return (
            _ByMaps.apply(weight, gradient, ctx.shape) if by_maps else None,  # type: ignore[return-value]
            _ByWeight.apply(maps, gradient, ctx.shape) if by_weight else None,
            gradient.sum((0, 2, 3)) if by_bias else None,
            None,
        )


class _ByMaps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, gradient: Tensor, shape: _Shape) -> Tensor:
        ctx.save_for_backward(weight, gradient)
        ctx.shape = shape
        channels_last = gradient.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        # Of the maps only size and layout count; their values are never read.
        maps = torch.empty(shape.maps, dtype=gradient.dtype, device=gradient.device, memory_format=layout)
        return _gradients(gradient, maps, weight, shape, (True, False))[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (maps,), (weight, gradient) = gradients, ctx.saved_tensors
        by_weight, by_gradient, _ = ctx.needs_input_grad
        return (
            _ByWeight.apply(maps, gradient, ctx.shape) if by_weight else None,  # type: ignore[return-value]
            _Output.apply(maps, weight, None, ctx.shape) if by_gradient else None,
            None,
        )


class _ByWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, gradient: Tensor, shape: _Shape) -> Tensor:
        ctx.save_for_backward(maps, gradient)
        ctx.shape = shape
        return _gradients(gradient, maps, gradient.new_empty(shape.weight), shape, (False, True))[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (weight,), (maps, gradient) = gradients, ctx.saved_tensors
        by_maps, by_gradient, _ = ctx.needs_input_grad
        return (
            _ByMaps.apply(weight, gradient, ctx.shape) if by_maps else None,  # type: ignore[return-value]
            _Output.apply(maps, weight, None, ctx.shape) if by_gradient else None,
            None,
        )
