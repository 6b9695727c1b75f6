"""When a run saves by the clock: soon after it has begun, then at growing intervals.

So there is something to see, and something to resume from, within the first minutes whatever the speed; and a run of
days saves a few dozen times.
"""

from __future__ import annotations

FIRST_SECONDS = 15.0
GROWTH = 0.25
"""The next interval as a share of the time trained so far."""
LONGEST_SECONDS = 1800.0
COST_SHARE = 0.05
"""Saving takes at most about this share of the time, whatever its previews cost."""
KEPT_GROWTH = 2.0


class Moments:
    """The moments of a process that trains a run; times are in seconds of training, of the whole run."""

    def __init__(self, seconds: float) -> None:
        self._next = seconds + FIRST_SECONDS
        self._kept = seconds

    def due(self, seconds: float) -> bool:
        """Whether it is time to save."""
        return seconds >= self._next

    def is_kept(self, seconds: float) -> bool:
        """Whether weights saved now stay when later ones are there: those of the first moment, and then of each time
        that is twice the one before."""
        return seconds >= KEPT_GROWTH * self._kept

    def saved(self, seconds: float, cost: float, kept: bool) -> None:
        """A checkpoint was written, which took `cost` seconds."""
        if kept:
            self._kept = seconds
        grown = min(GROWTH * seconds, LONGEST_SECONDS)
        self._next = seconds + max(FIRST_SECONDS, grown, cost / COST_SHARE)
