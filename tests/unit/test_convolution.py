"""Convolutions and their derivatives against those of PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.nn import functional

from aigc_core.nn.convolution import convolve

CASES = [
    pytest.param(4, 6, 1, 1, 0, 1, id="pointwise"),
    pytest.param(4, 8, 3, 1, 1, 4, id="grouped"),
    pytest.param(4, 4, 4, 2, 1, 4, id="depthwise, strided"),
    pytest.param(2, 4, 3, 2, 0, 2, id="a column and a row left over"),
]


def _inputs(channels: int, out_channels: int, kernel: int, groups: int, layout: torch.memory_format):
    torch.manual_seed(0)
    maps = torch.randn(3, channels, 6, 6, dtype=torch.double).contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(out_channels, channels // groups, kernel, kernel, dtype=torch.double, requires_grad=True)
    bias = torch.randn(out_channels, dtype=torch.double, requires_grad=True)
    return maps, weight, bias


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["NCHW", "NHWC"])
@pytest.mark.parametrize("channels, out_channels, kernel, stride, padding, groups", CASES)
def test_a_gradient_penalty_has_the_gradients_of_pytorch(
    channels: int, out_channels: int, kernel: int, stride: int, padding: int, groups: int, layout: torch.memory_format
) -> None:
    inputs = maps, weight, bias = _inputs(channels, out_channels, kernel, groups, layout)
    outcomes = []
    for operation in (convolve, functional.conv2d):
        output = operation(maps, weight, bias, stride=stride, padding=padding, groups=groups)
        first = grad(output.pow(3).sum(), inputs, create_graph=True)
        second = grad(sum(gradient.pow(3).sum() for gradient in first), inputs)
        outcomes.append([output, *first, *second])
    torch.testing.assert_close(*outcomes)


@pytest.mark.parametrize("channels, out_channels, kernel, stride, padding, groups", CASES)
def test_derivatives_are_those_of_finite_differences(
    channels: int, out_channels: int, kernel: int, stride: int, padding: int, groups: int
) -> None:
    inputs = _inputs(channels, out_channels, kernel, groups, torch.contiguous_format)
    assert gradcheck(lambda *parts: convolve(*parts, stride, padding, groups), inputs)
    assert gradgradcheck(lambda *parts: convolve(*parts, stride, padding, groups), inputs)


def test_gradients_keep_the_memory_format_of_the_maps() -> None:
    maps, weight, bias = _inputs(4, 8, 1, 1, torch.channels_last)
    (gradient,) = grad(convolve(maps, weight, bias).square().sum(), maps)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_mixed_precision_computes_in_bfloat16() -> None:
    maps, weight, bias = (tensor.float() for tensor in _inputs(4, 8, 3, 4, torch.channels_last))
    with torch.autocast("cpu", torch.bfloat16):
        assert convolve(maps, weight, bias, padding=1, groups=4).dtype == torch.bfloat16
