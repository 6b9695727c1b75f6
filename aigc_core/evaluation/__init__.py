"""From a checkpoint to figures with intervals, and from figures to verdicts."""
