"""Solvers of ordinary differential equations dx/dt = v(x, t), as plain functions that take any velocity field."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]
"""v(x, t): the velocity [N, …] of points [N, …] at a time."""

Solver = Callable[[Velocity, Tensor, list[float]], Tensor]
"""From points [N, …] at the first of several times to where they are at the last, in one step between each two."""


def euler(velocity: Velocity, start: Tensor, times: list[float]) -> Tensor:
    """Euler's method, of first order: one evaluation per step."""
    points = start
    for now, then in zip(times, times[1:]):
        points = points + (then - now) * velocity(points, now)
    return points


def heun(velocity: Velocity, start: Tensor, times: list[float]) -> Tensor:
    """Heun's method, of second order (Karras et al. 2022, algorithm 1): two evaluations per step."""
    points = start
    for now, then in zip(times, times[1:]):
        slope = velocity(points, now)
        predicted = points + (then - now) * slope
        points = points + (then - now) / 2 * (slope + velocity(predicted, then))
    return points


def heun_and_euler(velocity: Velocity, start: Tensor, times: list[float]) -> Tensor:
    """Heun's method, with Euler's for the last step, at whose end the velocity is least certain (Karras et al. 2022,
    algorithm 1)."""
    return euler(velocity, heun(velocity, start, times[:-1]), times[-2:])


solvers: dict[str, Solver] = {"euler": euler, "heun": heun_and_euler}
"""The solvers that sampling offers, by name."""


def even_times(steps: int, start: float = 0.0, end: float = 1.0) -> list[float]:
    """The `steps` + 1 ends of equal steps from `start` to `end`."""
    return torch.linspace(start, end, steps + 1, dtype=torch.float64).tolist()
