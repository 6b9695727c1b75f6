"""When a run saves by the clock: soon after its start, then at growing intervals.

So within minutes there is something to see and to resume from, at any speed, and a run of days still saves only a few
dozen times.
"""

from __future__ import annotations

FIRST_SECONDS = 15.0
GROWTH = 0.25
"""The next interval as a share of the time trained so far."""
LONGEST_SECONDS = 1800.0
COST_SHARE = 0.05
"""Saving, previews included, takes at most about this share of the time."""
KEPT_GROWTH = 2.0


class Moments:
    """Decides when to save; all times are seconds of training, counted over the whole run."""

    def __init__(self, seconds: float) -> None:
        self._next = seconds + FIRST_SECONDS
        self._kept = seconds

    def due(self, seconds: float) -> bool:
        """Whether it is time to save."""
        return seconds >= self._next

    def is_kept(self, seconds: float) -> bool:
        """Whether weights saved now are kept for good: those of the first save, then each time that the training time
        has doubled."""
        return seconds >= KEPT_GROWTH * self._kept

    def saved(self, seconds: float, cost: float, kept: bool) -> None:
        """Record that a checkpoint was written, which took `cost` seconds."""
        if kept:
            self._kept = seconds
        grown = min(GROWTH * seconds, LONGEST_SECONDS)
        self._next = seconds + max(FIRST_SECONDS, grown, cost / COST_SHARE)
