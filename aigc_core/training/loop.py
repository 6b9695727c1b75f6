"""The training loop: data in, checkpoints out, for any training method.

The loop knows a method's model, modules, optimisers and step, and nothing of what happens inside.
A run that is interrupted anywhere resumes from its newest checkpoint. On a CPU it ends with the same weights as if it
had never stopped; on a GPU with about the same, as its libraries add in no fixed order.
"""

from __future__ import annotations

import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import broadcast, parse_flag_from_env
from torch import Tensor
from tqdm import tqdm

from aigc_core.allocator import keep_freed_memory
from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.checkpoint.folder import read_config, step_folders
from aigc_core.checkpoint.layout import CONFIG_FILE, RESULTS_FOLDER, TRAINING_STATE_FOLDER
from aigc_core.config import parse_config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import Batch, ModelSpec, StepState, families
from aigc_core.files import atomic_directory, translate_io_errors
from aigc_core.modalities.base import modalities
from aigc_core.rng import ShuffledStream, StepDraws, seeded_generator, to_device

from .ema import ExponentialMovingAverage
from .interrupt import ANNOUNCEMENT, Interrupted, interrupts_remembered, stop_on_signals, what_was_saved
from .lock import run_lock
from .messages import Forecast, tell, warning, where_to_look
from .moments import Moments
from .preflight import check_names, try_to_save
from .presets.legacy import upgrade_recipe
from .processes import on_main_process
from .recipe import TrainingConfig
from .resume import check_data, check_parent, check_recipe, flat_settings, newest_checkpoint
from .state import load_training_state, save_training_state
from .timeline import Measurement, TimelineWriter

STEPS_BETWEEN_LOGS = 50
"""How often losses are fetched from the device and checked."""
SECONDS_BETWEEN_LOGS = 2.0
"""Where steps take long, the timeline has losses more often than that."""
MAX_COUNTER = 10**12
"""The largest value of a checkpoint's counters."""

CheckpointHook = Callable[[StoredCheckpoint, Path], str | None]
"""Adds something, such as a preview, to the unfinished folder of a checkpoint; may return a warning."""


@dataclass(frozen=True)
class Evaluation:
    """How a run is measured while it trains: whenever it has seen `every` more samples, and at its end.

    `measure` takes a checkpoint's folder, where it leaves a result, and what tells whether to stop; it returns the
    figures that trackers get. What it draws at random is no part of the training.
    """

    every: int
    measure: Callable[[Path, Callable[[], bool]], dict[str, float]]


def train(
    config: TrainingConfig,
    folder: str | Path,
    *,
    resume: bool = False,
    trackers: tuple[str, ...] = ("tensorboard",),
    open_parent: Callable[[str], StoredCheckpoint] = lambda name: StoredCheckpoint.read(Path(name)),
    hooks: Sequence[CheckpointHook] = (),
    evaluation: Evaluation | None = None,
) -> Path:
    """Train into `folder`, which collects checkpoints `step-…`; returns the newest one.

    `resume`: go on with the run in the folder. `trackers`: names of Accelerate's trackers. `open_parent` opens the
    checkpoint that `config.parent` names. `hooks` are called for each checkpoint while it is written.
    `evaluation`: how the run is measured while it trains; the weights are the same without.

    Raises AIGCError if the data or the recipe is wrong, another run is training into the folder, the folder holds a run
    and `resume` is False, or holds no run of this recipe and `resume` is True (see `resume.py`), a tracker's package is
    missing, the disk or the device's memory is full, or training diverges. The last good checkpoint stays. Raises
    Interrupted, which says what was saved, after Ctrl-C and SIGTERM.
    """
    folder = Path(folder)
    for tracker in trackers:
        if tracker not in map(str, get_available_trackers()):
            raise AIGCError(
                "The tracker '{tracker}' is a package of its own; run `pip install {tracker}` first.", tracker=tracker
            )
    check_names(folder, config.data, ())
    if resume:
        newest_checkpoint(folder)  # raises if there is none, before anything is set up
    accelerator = Accelerator(
        mixed_precision=mixed_precision(), log_with=list(trackers) or None, project_dir=str(folder)
    )
    run = None
    with run_lock(folder, accelerator), interrupts_remembered() as interrupted:
        try:
            run = Run(
                config,
                folder,
                accelerator,
                resume=resume,
                open_parent=open_parent,
                hooks=hooks,
                evaluation=evaluation,
            )
            run.tell(where_to_look(folder, trackers))
            return run.train(interrupted)
        except KeyboardInterrupt:
            raise Interrupted(what_was_saved(folder, run.total["step"] if run else 0)) from None
        except torch.OutOfMemoryError:
            raise AIGCError(
                "The device has too little memory for batches of {batch_size}; lower batch_size or the widths.",
                batch_size=config.batch_size,
            ) from None


class Run:
    """One training run: its state between steps, the step itself, and saving."""

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        accelerator: Accelerator,
        *,
        resume: bool,
        open_parent: Callable[[str], StoredCheckpoint] = lambda name: StoredCheckpoint.read(Path(name)),
        hooks: Sequence[CheckpointHook] = (),
        evaluation: Evaluation | None = None,
    ) -> None:
        self.config, self.folder, self.accelerator = config, folder, accelerator
        self.hooks, self.evaluation = hooks, evaluation
        earlier = newest_checkpoint(folder) if resume else None
        if step_folders(folder) and not resume:
            raise AIGCError(
                "'{folder}' already holds a run; continue it with --resume or choose another --out.", folder=folder
            )
        if (folder / CONFIG_FILE).is_file() and not resume:
            raise AIGCError("'{folder}' holds a checkpoint; choose another --out.", folder=folder)
        made = read_config(earlier) if earlier else None
        if made:
            where = Sentence("The recipe of the run in '{folder}'", folder=folder)
            earlier_recipe = parse_config(TrainingConfig, upgrade_recipe(made.recipe), where)
            check_recipe(folder, made, earlier_recipe.model_dump(mode="json"), config.model_dump(mode="json"))
        if accelerator.device.type == "cpu":
            keep_freed_memory(2**30)
        processes = accelerator.num_processes
        if config.batch_size % processes:
            raise AIGCError(
                "The batch size {batch_size} cannot be shared among {processes} processes.",
                batch_size=config.batch_size,
                processes=processes,
            )
        # If the recipe leaves the shape to the data, a resumed run keeps the shape that it began with.
        shape = config.shape or (made.shape if made else {})
        self.modality, self.dataset = modalities[config.modality].load(config.data, shape, config.data_limit)
        self.class_names = self.dataset.class_names if config.conditional else ()
        check_names(folder, config.data, self.class_names)
        self.data_hash = on_main_process(accelerator, self.dataset.content_hash)
        if made:
            check_data(folder, made, self.class_names, self.data_hash)
        torch.manual_seed(config.seed)
        spec = ModelSpec(config.architecture, config.architecture_config, self.modality, len(self.class_names))
        self.method = families[config.family].build_method(config.method, config.method_config, spec, accelerator)
        self.step, self.samples_seen, self.training_seconds = 0, 0, 0.0
        self.inherited: dict[str, Any] = {"step": 0, "samples_seen": 0, "training_seconds": 0.0}
        if config.parent and not earlier:
            self._inherit(open_parent(config.parent))
        self.ema = ExponentialMovingAverage(self.method.model, config.ema_half_life, config.ema_ramp_up)
        self.warned: str | None = None
        if earlier and made:
            self._resume(earlier, made)
        # One-hot rows by label; of width 0 for a model without classes.
        self.one_hot = torch.eye(max(1, len(self.dataset.class_names)))[:, : len(self.class_names)]
        self.stream = ShuffledStream(len(self.dataset), config.seed)
        on_main_process(accelerator, self._try_to_save)
        self.moments = Moments(self.training_seconds)
        self.temporary: Path | None = None
        self.timeline = on_main_process(accelerator, lambda: TimelineWriter(folder, self.total["step"]))

    def train(self, interrupted_before: Callable[[], bool] = lambda: False) -> Path:
        """Train to the end; returns the newest checkpoint's folder. Raises KeyboardInterrupt if it was stopped early.

        `interrupted_before`: whether a stop was requested while the run was being prepared.
        """
        if self.progress >= 1:
            self.tell(
                Sentence(
                    "Nothing is left to train: '{folder}' has seen {samples:,} samples in {seconds:.0f} seconds.",
                    folder=self.folder,
                    samples=self.samples_seen,
                    seconds=self.training_seconds,
                )
            )
            return self._save()
        if threading.excepthook is threading.__excepthook__:
            threading.excepthook = _report_thread
        interval = self.config.checkpoint_samples or math.inf
        next_checkpoint = (self.samples_seen // interval + 1) * interval
        stopped, logged = False, self.training_seconds
        forecast = Forecast(self.config)
        with stop_on_signals(lambda: self.tell(ANNOUNCEMENT)) as interrupted, self._progress_bar() as progress_bar:
            with translate_io_errors(self.folder):
                self.accelerator.init_trackers("training", config=self._tracked())
            self._evaluate_if_due(interrupted)  # a resumed run may have been stopped before it did
            while self.progress < 1 and not stopped:
                log = (self.step + 1) % STEPS_BETWEEN_LOGS == 0
                log = log or self.training_seconds - logged >= SECONDS_BETWEEN_LOGS
                started = time.perf_counter()
                measured = self._train_step()
                losses = {name: value.item() for name, value in measured.items()} if log else {}
                self.training_seconds += time.perf_counter() - started
                stopped = self._agree(interrupted() or interrupted_before())
                if sentence := forecast.after_step(self.samples_seen, self.training_seconds):
                    self.tell(sentence)
                if log:
                    logged = self.training_seconds
                    self._show(progress_bar, losses)
                    with translate_io_errors(self.folder):
                        self._check_health(losses)
                        if self.step % STEPS_BETWEEN_LOGS == 0:
                            self.accelerator.log(losses, step=self.total["samples_seen"])
                progress_bar.update(min(self.done, progress_bar.total) - progress_bar.n)
                if self.samples_seen >= next_checkpoint:
                    self._save()
                    next_checkpoint += interval
                elif self.moments.due(self.training_seconds) and self.progress < 1 and not stopped:
                    self._save(temporary=interval < math.inf or not self.moments.is_kept(self.training_seconds))
                if not stopped:
                    self._evaluate_if_due(interrupted)
            newest = self._save()
            if not stopped:
                self._evaluate(newest, interrupted)
            with translate_io_errors(self.folder):
                self.accelerator.end_training()
        if stopped:
            raise KeyboardInterrupt
        return newest

    def _evaluate_if_due(self, stopped: Callable[[], bool]) -> None:
        """Measure the checkpoint of this step if the run has just seen as many more samples as that takes."""
        if self.evaluation is None or not self.step:
            return
        every, before = self.evaluation.every, self.samples_seen - self.config.batch_size
        if self.samples_seen // every > before // every:
            self._evaluate(self._save(), stopped)

    def _evaluate(self, checkpoint: Path, stopped: Callable[[], bool]) -> None:
        """Measure a checkpoint, unless it was, and hand its figures to the trackers."""
        evaluation = self.evaluation
        if evaluation is None or (checkpoint / RESULTS_FOLDER).exists():
            return
        figures = on_main_process(self.accelerator, lambda: evaluation.measure(checkpoint, stopped))
        if figures:
            with translate_io_errors(self.folder):
                self.accelerator.log(figures, step=self.total["samples_seen"])

    @property
    def counters(self) -> dict[str, Any]:
        """How far this run has come, without what its model inherited."""
        return {"step": self.step, "samples_seen": self.samples_seen, "training_seconds": self.training_seconds}

    @property
    def total(self) -> dict[str, Any]:
        """How far the model has been trained, including by the runs that it inherits from."""
        return {name: count + self.inherited[name] for name, count in self.counters.items()}

    @property
    def done(self) -> float:
        """How far the run has come: in samples or, if the recipe bounds its time, in seconds."""
        return self.samples_seen if self.config.seconds is None else self.training_seconds

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1."""
        return min(1.0, self.done / (self.config.seconds or self.config.samples))

    def _agree(self, interrupted: bool) -> bool:
        """Whether to stop. All processes follow the main one, and its clock, so that none is left waiting."""
        if self.accelerator.num_processes == 1:
            return interrupted
        ours = torch.tensor([self.training_seconds, interrupted], dtype=torch.float64, device=self.accelerator.device)
        shared = broadcast(ours)
        assert isinstance(shared, Tensor)
        self.training_seconds, stopped = shared.tolist()
        return bool(stopped)

    def _train_step(self) -> dict[str, Tensor]:
        config, accelerator = self.config, self.accelerator
        draws = StepDraws(
            config.seed,
            self.step,
            config.batch_size,
            accelerator.process_index,
            accelerator.num_processes,
            accelerator.device,
        )
        now, upcoming = (
            self.stream.batch(self.samples_seen + ahead, config.batch_size)[draws.rows]
            for ahead in (0, config.batch_size)
        )
        stored, labels = self.dataset.batch(now, upcoming)
        samples = self.modality.to_model(to_device(stored, accelerator.device))
        if config.horizontal_flip:
            samples = torch.where(draws.uniform(1, 1, 1) < 0.5, self.modality.mirrored(samples), samples)
        batch = Batch(samples, to_device(self.one_hot[labels], accelerator.device))
        # So that the random numbers that layers draw by themselves depend on the step alone, too.
        own_draws = seeded_generator(config.seed, self.step, 3, accelerator.process_index)
        torch.manual_seed(own_draws.initial_seed())
        state = StepState(self.step, self.progress, self.samples_seen, draws)
        measured = self.method.step(batch, state)
        self.ema.update(config.batch_size, state)
        self.step += 1
        self.samples_seen += config.batch_size
        return measured

    def _check_health(self, losses: dict[str, float]) -> None:
        """Raise AIGCError if training has diverged; note losses and the method's warning in the timeline."""
        if not all(math.isfinite(value) for value in losses.values()):
            raise self._diverged()
        if self.step % STEPS_BETWEEN_LOGS == 0:  # the first few steps say too little for a warning
            sentence = self.method.warning(losses)
            if sentence and sentence != self.warned:
                self.tell(warning(sentence))
            self.warned = sentence
        self._note(losses, self.warned or "")

    def _note(self, values: dict[str, float], sentence: str) -> None:
        """Add the run's progress, measured values and a warning to its timeline."""
        if self.accelerator.is_main_process:
            self.timeline.measure(
                Measurement(
                    step=self.total["step"],
                    samples_seen=self.total["samples_seen"],
                    seconds=self.training_seconds,
                    progress=self.progress,
                    values=values,
                    warning=sentence,
                )
            )

    def tell(self, sentence: str) -> None:
        """Print a sentence once for all processes."""
        if self.accelerator.is_main_process:
            tell(sentence)

    def _tracked(self) -> dict[str, Any]:
        """The recipe in the form that trackers take."""
        settings = flat_settings(self.config.model_dump())
        return {name: value if isinstance(value, int | float | str) else str(value) for name, value in settings.items()}

    def _save(self, *, temporary: bool = False) -> Path:
        """Write the checkpoint of this step, unless it exists; returns its folder.

        A temporary one is deleted after the next is written, unless it was evaluated; its preview stays in the
        timeline.
        """
        target = self.folder / f"step-{self.total['step']:07d}"

        def write() -> float:
            started = time.perf_counter()
            self._write_checkpoint(target)
            superseded = self.temporary
            if superseded and superseded != target and not (superseded / RESULTS_FOLDER).exists():
                shutil.rmtree(superseded, ignore_errors=True)
            return time.perf_counter() - started

        self.moments.saved(self.training_seconds, on_main_process(self.accelerator, write), kept=not temporary)
        self.temporary = target if temporary else None
        return target

    def _write_checkpoint(self, target: Path) -> None:
        """Write the checkpoint of this step with its training state, then delete older training states."""
        if (target / TRAINING_STATE_FOLDER).is_dir():
            return
        if not all(torch.isfinite(tensor).all() for tensor in self.ema.model.parameters()):
            raise self._diverged()
        model = self.method.kept_model(self.ema.model, self._class_shares().float())
        checkpoint = StoredCheckpoint(self._checkpoint_config(self.total), model)
        with atomic_directory(target) as unfinished:
            checkpoint.write_files(unfinished)
            for sentence in filter(None, [hook(checkpoint, unfinished) for hook in self.hooks]):
                self.tell(warning(sentence))
                self._note({}, sentence)
            save_training_state(
                unfinished / TRAINING_STATE_FOLDER,
                self.method.modules | {"ema": self.ema.model},
                self.method.optimizers,
                self.counters,
            )
        self.timeline.keep_preview(target, self.modality.preview_file)
        for older in step_folders(self.folder):
            if older != target:
                shutil.rmtree(older / TRAINING_STATE_FOLDER, ignore_errors=True)

    def _try_to_save(self) -> None:
        longest = dict.fromkeys(self.total, MAX_COUNTER)
        try_to_save(StoredCheckpoint(self._checkpoint_config(longest), self.ema.model), self.folder)

    def _diverged(self) -> AIGCError:
        kept = step_folders(self.folder) if self.folder.is_dir() else []
        return AIGCError(
            "Training diverged before step {step}: losses or weights are not finite numbers. The last good checkpoint "
            "is {checkpoint}; try a lower learning rate or a stronger penalty.",
            step=self.step,
            checkpoint=kept[-1] if kept else Sentence("none yet"),
        )

    def _class_shares(self) -> Tensor:
        """How often each class occurs in the data, float64 [num_classes]."""
        counts = torch.bincount(self.dataset.labels, minlength=len(self.class_names))[: len(self.class_names)]
        return counts.double() / len(self.dataset)

    def _checkpoint_config(self, counters: dict[str, Any]) -> CheckpointConfig:
        shares = self._class_shares()
        values = {
            "architecture": self.config.architecture,
            "architecture_config": self.config.architecture_config,
            "family": self.config.family,
            "modality": self.config.modality,
            "shape": self.modality.model_dump(mode="json"),
            "num_classes": len(self.class_names),
            "class_names": self.class_names,
            "class_shares": tuple(shares.tolist()) if len(shares.unique()) > 1 else (),
            "dataset": self.dataset.name,
            "data_hash": self.data_hash,
            "data_licence": self.dataset.licence,
            "recipe": self.config.model_dump(mode="json", exclude_defaults=True),
            **(counters | {"training_seconds": round(counters["training_seconds"], 3)}),
            "parent": self.config.parent or None,
        }
        return parse_config(CheckpointConfig, values, Sentence("A checkpoint of '{folder}'", folder=self.folder))

    def _inherit(self, parent: StoredCheckpoint) -> None:
        """Start from another checkpoint's model and counters."""
        # The parsed shape, as that in an older config may lack settings added since.
        made = parent.config.model_copy(update={"shape": parent.modality.model_dump(mode="json")})
        ours = self._checkpoint_config(self.total)
        check_parent(self.config.parent, made, ours)
        self.method.model.load_state_dict(parent.model.state_dict())
        self.inherited = {name: getattr(made, name) for name in self.inherited}

    def _resume(self, checkpoint: Path, made: CheckpointConfig) -> None:
        """Go on from a checkpoint of this run."""
        counters = load_training_state(
            checkpoint / TRAINING_STATE_FOLDER,
            self.method.modules | {"ema": self.ema.model},
            self.method.optimizers,
        )
        self.step, self.samples_seen = counters["step"], counters["samples_seen"]
        self.training_seconds = counters["training_seconds"]
        self.inherited = {name: getattr(made, name) - count for name, count in counters.items()}

    def _progress_bar(self) -> tqdm:
        timed = self.config.seconds is not None
        return tqdm(
            total=self.config.seconds or self.config.samples,
            initial=self.done,
            unit=" samples",
            unit_scale=not timed,
            bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}{postfix}]" if timed else None,
            disable=not self.accelerator.is_main_process,
        )

    def _show(self, progress_bar: tqdm, losses: dict[str, float]) -> None:
        """Show the losses and, if the bar counts seconds, the speed."""
        shown = {name: f"{value:.3g}" for name, value in losses.items() if "loss" in name}
        if self.config.seconds is not None:
            shown = {"samples/s": f"{self.samples_seen / self.training_seconds:.0f}"} | shown
        progress_bar.set_postfix(shown, refresh=False)


def mixed_precision() -> str:
    """The mixed precision that `accelerate launch` sets, else "bf16" on GPUs with fast bfloat16 and "no" elsewhere."""
    if chosen := os.environ.get("ACCELERATE_MIXED_PRECISION"):
        return chosen
    on_gpu = torch.cuda.is_available() and not parse_flag_from_env("ACCELERATE_USE_CPU")
    return "bf16" if on_gpu and torch.cuda.get_device_capability() >= (8, 0) else "no"


def _report_thread(thread: threading.ExceptHookArgs) -> None:
    """Print a thread's exception, but not TensorBoard's OSErrors, which its next call raises again."""
    if not (isinstance(thread.exc_value, OSError) and type(thread.thread).__name__ == "_AsyncWriterThread"):
        threading.__excepthook__(thread)
