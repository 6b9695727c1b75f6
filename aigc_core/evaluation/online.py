"""Measuring a run while it trains: each of its checkpoints that is due gets a result, and its figures are tracked."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.device import best_device
from aigc_core.errors import AIGCError, Sentence
from aigc_core.training.messages import duration, tell, warning
from aigc_core.translation import environment_language, translate_warning

from .evaluate import DEFAULT_NUM_SAMPLES, evaluate
from .real_samples import default_reference
from .reference import Reference
from .results import FIGURES, Result


class OnlineEvaluation:
    """Measures FID, or of samples that no extractor sees whatever there is, as `evaluate` does with that many samples.

    The real images are loaded once. What cannot be measured is told and stops no training.
    """

    def __init__(self, num_samples: int = DEFAULT_NUM_SAMPLES) -> None:
        self._num_samples = num_samples
        self._reference: Reference | None = None

    def __call__(self, folder: Path, stopped: Callable[[], bool]) -> dict[str, float]:
        """Measure the checkpoint in a folder, where its result then lies; each figure and both ends of its interval.

        Empty where nothing could be measured, or `stopped` came to say so.
        """
        began = time.perf_counter()
        try:
            result = self._measure(folder, stopped)
        except _Stopped:
            return {}
        except AIGCError as error:
            tell(warning(error.sentence))
            return {}
        for name, figure in result.figures.items():
            tell(
                Sentence(
                    "{figure} {value} after {samples:,} samples; measuring took {duration}, in which nothing was "
                    "trained.",
                    figure=Sentence(FIGURES[name].title),
                    value=figure,
                    samples=result.samples_seen,
                    duration=duration(time.perf_counter() - began),
                )
            )
        for sentence in result.not_measured(result.min_samples):
            tell(warning(sentence))
        return {key: value for name, figure in result.figures.items() for key, value in figure.columns(name).items()}

    def _measure(self, folder: Path, stopped: Callable[[], bool]) -> Result:
        checkpoint = StoredCheckpoint.read(folder, str(folder), best_device())
        images = checkpoint.modality.map_shape is not None
        with warnings.catch_warnings(record=True) as caught:
            if images and self._reference is None:
                self._reference = default_reference(checkpoint.config, None, None)
            result = evaluate(
                checkpoint,
                reference=self._reference,
                num_samples=self._num_samples,
                metrics=("fid",) if images else None,
                progress=lambda share: _stop_if(stopped()),
            )
        for each in dict.fromkeys(translate_warning(one.message, environment_language()) for one in caught):
            tell(warning(each))
        return result


class _Stopped(Exception):
    """The run is to stop."""


def _stop_if(stopped: bool) -> None:
    if stopped:
        raise _Stopped
