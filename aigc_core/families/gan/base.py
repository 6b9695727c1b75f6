"""The common part of all training methods of GANs: networks, parts, verdicts on images and optimiser steps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, ClassVar

import torch
from accelerate import Accelerator
from pydantic import field_validator
from torch import Tensor, nn

from aigc_core.config import SETTINGS, Config, parse_config
from aigc_core.errors import Sentence
from aigc_core.families.base import Batch, Model, ModelSpec, StepState, TrainingMethod
from aigc_core.families.compile import maybe_compile
from aigc_core.families.gradients import average_gradients

from .augmentation import build_augmentation
from .discriminator import is_batch_coupled
from .generator import Generator
from .losses import losses
from .networks import build_discriminator, build_generator, image_shape_of
from .optimizer import OptimizerConfig, build_optimizers
from .parts import Setup, Term, build_parts, with_parts
from .standing_statistics import with_standing_statistics
from .verdict import Judge, Verdict


class GANConfig(Config):
    """The settings that all methods share; each part (`parts/`) adds a field of its own.

    `penalise_before_augmentation`: whether R1 and R2 differentiate with respect to the images before augmentation (as
    Karras et al. 2020a and Huang et al. 2024 do) rather than the augmented ones.
    """

    loss: str = "non_saturating"
    optimizer: OptimizerConfig = OptimizerConfig()
    augmentation: str = "none"
    augmentation_config: dict[str, Any] = {}
    penalise_before_augmentation: bool = False

    @field_validator("loss")
    @classmethod
    def _known_loss(cls, name: str) -> str:
        if name not in losses:
            raise ValueError(
                Sentence("there is no loss '{name}', there are {known}", name=name, known=", ".join(losses))
            )
        return name


class GANTraining(TrainingMethod):
    """A generator and a discriminator in training; subclasses define the step.

    Raises AIGCError for a recipe that does not fit the networks or the classes.
    """

    config_type: ClassVar[type[GANConfig]]
    config: GANConfig

    def __init__(
        self,
        config: Mapping[str, Any],
        spec: ModelSpec,
        accelerator: Accelerator,
    ) -> None:
        architecture, architecture_config = spec.architecture, dict(spec.architecture_config)
        image_shape = image_shape_of(spec)
        self.config = parse_config(with_parts(self.config_type), dict(config), SETTINGS, "method_config")
        self.accelerator = accelerator
        self.loss = losses[self.config.loss]
        self.generator = build_generator(architecture, architecture_config, image_shape)
        self.discriminator = build_discriminator(architecture, architecture_config, image_shape)
        self.augmentation = build_augmentation(self.config.augmentation, self.config.augmentation_config)
        self.parts = build_parts(self.config, Setup(self.discriminator, image_shape, accelerator))
        self.batch_coupled = is_batch_coupled(self.discriminator)
        for module in self.modules.values():
            module.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stubs
        self.judge = Judge(
            self.discriminator,
            accelerator,
            reads_features=any(part.reads_features for part in self.parts),
            reads_class_scores=any(part.reads_class_scores for part in self.parts),
        )
        self.compiled_generator = maybe_compile(self.generator, accelerator)
        self._adams = build_optimizers(self.config.optimizer, self.generator, self.discriminator)

    @property
    def model(self) -> Generator:
        """The generator, which is averaged and kept."""
        return self.generator

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The networks, the augmentation and the modules of parts."""
        networks = {"generator": self.generator, "discriminator": self.discriminator, "augmentation": self.augmentation}
        return networks | {part.name: part.module for part in self.parts if part.module is not None}

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return dict(self._adams)

    def kept_model(self, average: Model, class_shares: Tensor) -> Model:
        assert isinstance(average, Generator)
        return with_standing_statistics(average, class_shares)

    def warning(self, measured: dict[str, float]) -> str | None:
        """A sentence if the discriminator has won: it tells every pair apart, and the generator learns nothing."""
        if measured["discriminator_accuracy"] == 1 and measured["real_logits"] - measured["fake_logits"] > 20:
            return Sentence(
                "the discriminator has won and teaches nothing; raise the γ of r1 or lower its learning rate."
            )
        return None

    def follow_schedules(self, state: StepState) -> None:
        """Set all scheduled settings of the optimisers and the augmentation to their values in this step."""
        for optimizer in self._adams.values():
            optimizer.follow(state)
        self.augmentation.follow(state)

    def generate(self, labels: Tensor, state: StepState) -> Tensor:
        """Images float32 [N, C, H, W] in about [-1, 1] for labels [N, num_classes], from this step's latents."""
        latents = state.draws.normal(self.generator.latent_dim)
        with self.accelerator.autocast():
            # Augmentation needs full precision for its coordinates.
            return self.compiled_generator(latents, labels).float()

    def augment(self, images: Tensor, state: StepState) -> Tensor:
        return self.augmentation(images, state.draws.generator)

    def augment_penalised(self, images: Tensor, state: StepState) -> tuple[Tensor, Tensor]:
        """Augmented images, and the images with respect to which a penalty differentiates: these or the given ones."""
        # These images are leaves of a graph of their own, so that the penalty is differentiated no further back.
        if self.config.penalise_before_augmentation:
            given = images.detach().requires_grad_()
            return self.augment(given, state), given
        augmented = self.augment(images, state).detach().requires_grad_()
        return augmented, augmented

    def judge_both(self, batch: Batch, generated: Tensor, state: StepState) -> tuple[Verdict, Verdict]:
        """Verdicts on the augmented real images of a batch and on augmented generated ones with the same labels."""
        real, fake, labels = batch.samples, generated, batch.classes
        by_real = any(part.differentiates_real(state) for part in self.parts)
        by_fake = any(part.differentiates_fake(state) for part in self.parts)
        real, of_real = self.augment_penalised(real, state) if by_real else (self.augment(real, state), None)
        fake, of_fake = self.augment_penalised(fake, state) if by_fake else (self.augment(fake, state), None)
        if not (by_real or by_fake or self.batch_coupled):
            with self.accelerator.autocast():
                return self.judge(torch.cat([real, fake]), labels.repeat(2, 1)).split(len(real))
        # Second derivatives are taken in full precision.
        with nullcontext() if by_real or by_fake else self.accelerator.autocast():
            return (
                self.judge(real, labels, penalised=of_real, twice=by_real),
                self.judge(fake, labels, penalised=of_fake, twice=by_fake),
            )

    def descend(self, name: str, output: Tensor, gradients: Tensor | None = None) -> None:
        """One optimiser step of the network `name` of `modules` on the gradients of `output`, averaged over processes.

        `gradients`: those of the objective with respect to `output`, if `output` is not the scalar objective itself.
        """
        network, optimizer = self.modules[name], self._adams[name]
        optimizer.zero_grad(set_to_none=True)
        output.backward(gradients)
        average_gradients(network, self.accelerator)
        optimizer.step()

    def after_discriminator_step(self, real: Verdict, fake: Verdict) -> None:
        """Pass the verdicts of the discriminator's step to the augmentation and the parts."""
        logits = self.accelerator.gather(real.logits.detach())
        assert isinstance(logits, Tensor)
        self.augmentation.update(logits)
        for part in self.parts:
            part.after_discriminator_step(real, fake)


def total(terms: Mapping[str, Term]) -> Tensor:
    """The objective: the sum of all terms times their weights."""
    first, *others = (term.value if term.weight == 1 else term.weight * term.value for term in terms.values())
    return sum(others, start=first)


def measured(terms: Mapping[str, Term]) -> dict[str, Tensor]:
    """The terms as they are logged: unweighted and detached."""
    return {name: term.value.detach() for name, term in terms.items()}


def statistics(real: Verdict, fake: Verdict) -> dict[str, Tensor]:
    """How the discriminator is doing: mean logits, and how often a real image's logit exceeds that of its fake pair."""
    real_logits, fake_logits = real.logits.detach(), fake.logits.detach()
    return {
        "real_logits": real_logits.mean(),
        "fake_logits": fake_logits.mean(),
        "discriminator_accuracy": (real_logits > fake_logits).float().mean(),
    }
