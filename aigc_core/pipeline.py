"""The public face: load a checkpoint from anywhere, sample, evaluate, push, train."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .checkpoint.checkpoint import StoredCheckpoint
from .config import parse_config
from .errors import AIGCError
from .hub.resolve import resolve_reference
from .modalities.provenance import Statement

if TYPE_CHECKING:  # imported on first use, so that opening a checkpoint is quick
    from .evaluation.results import Result
    from .sampling.sample import Samples
    from .training.recipe import TrainingConfig

PREVIEW_COLUMNS = 8
MAX_CLASS_COLUMNS = 16


class Checkpoint(StoredCheckpoint):
    """A model with its config that can sample, be evaluated and be pushed to the Hub."""

    @classmethod
    def from_pretrained(
        cls,
        reference: str | Path,
        *,
        token: str | None = None,
        device: str = "cpu",
        stated: Mapping[str, str] | None = None,
    ) -> Self:
        """Load from a local folder or file, or from `owner/name` or `owner/name@revision` on the Hub.

        Models made by other tools are converted first (`conversion`); `stated` gives, by name, facts about such a model
        that its files leave open. `token`: for the Hub; by default the one that huggingface_hub keeps.

        Nothing read is trusted: the config is validated, the network's shape is compared with the header of the
        weights before memory is allocated, and weights must be finite. Raises AIGCError otherwise.
        """
        return cls.read(resolve_reference(reference, token=token, stated=stated), str(reference), device)

    def sample(self, **request: Any) -> Samples:
        """Samples for the fields and options of a SampleRequest: `checkpoint.sample(seed=7, count=16)`."""
        from .sampling.request import REQUEST, SampleRequest
        from .sampling.sample import sample

        return sample(self, parse_config(SampleRequest, {"checkpoint": self.reference} | request, REQUEST))

    def evaluate(self, **settings: Any) -> Result:
        """Measure the checkpoint; the settings are those of `evaluation.evaluate.evaluate`."""
        from .evaluation.evaluate import evaluate

        return evaluate(self, **settings)

    def push_to_hub(self, repo_id: str, *, revision: str | None = None, private: bool = False) -> str:
        """Upload this checkpoint's folder in one commit; returns the commit's address.

        Raises AIGCError if it lies in no folder yet, and as `hub.push.push` does.
        """
        from .hub.push import push

        if self.path is None:
            raise AIGCError("This checkpoint is in no folder yet; call save_pretrained first.")
        return push(self.path, repo_id, revision=revision, private=private)


def train(
    config: TrainingConfig,
    folder: str | Path,
    *,
    resume: bool = False,
    trackers: tuple[str, ...] = ("tensorboard",),
    evaluate_every: int | None = None,
    evaluation_samples: int | None = None,
) -> Path:
    """Train into `folder`, which collects checkpoints `step-…`, each with a preview and a card; returns the newest one.

    `evaluate_every`: after so many samples seen each, and at the end, FID is measured from `evaluation_samples`
    samples, by default as many as `evaluate` draws; the result lies in the checkpoint, and trackers get it. Training
    waits meanwhile, and `seconds` of a recipe do not count it.
    Raises AIGCError as `training.loop.train` does, and if the recipe's parent cannot be opened.
    """
    from .hub.card import write_card
    from .training.loop import Evaluation, train

    evaluation = None
    if evaluate_every is not None:
        from .evaluation.online import DEFAULT_NUM_SAMPLES, OnlineEvaluation

        evaluation = Evaluation(evaluate_every, OnlineEvaluation(evaluation_samples or DEFAULT_NUM_SAMPLES))
    return train(
        config,
        folder,
        resume=resume,
        trackers=trackers,
        open_parent=Checkpoint.from_pretrained,
        hooks=(write_preview, lambda _, unfinished: write_card(unfinished)),
        evaluation=evaluation,
    )


def write_preview(checkpoint: StoredCheckpoint, folder: Path) -> str | None:
    """Write a preview: samples of the same seeds at every checkpoint, 64 images or fewer of what takes longer to see;
    one class per column if there are few.

    Returns a warning if the modality finds them wrong, for example all alike; else None.
    """
    from .sampling.labels import class_entries, join_entries
    from .sampling.request import SampleRequest
    from .sampling.sample import sample

    config, modality = checkpoint.config, checkpoint.modality
    columns, rows, entries = PREVIEW_COLUMNS, modality.preview_rows, []
    if 2 <= config.num_classes <= MAX_CLASS_COLUMNS:
        columns = config.num_classes * max(1, PREVIEW_COLUMNS // config.num_classes)
        entries = class_entries(config.class_names, config.num_classes)
    request = SampleRequest(seed=0, count=columns * rows, labels=join_entries(entries))
    stored = sample(checkpoint, request).stored
    statement = Statement(request.canonical(), checkpoint.weights_sha256)
    modality.write(folder / modality.preview_file, stored, statement, columns)
    return modality.warning(stored)
