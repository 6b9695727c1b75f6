"""The adversarial training method: one discriminator step and one generator step on a batch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Literal, NamedTuple

import torch
from accelerate import Accelerator
from accelerate.utils import DynamoBackend
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from aigc_core.config import Config, parse_config
from aigc_core.errors import AIGCError
from aigc_core.rng import StepDraws

from .augmentation import build_augmentation
from .feature_matching import FeatureMatching
from .losses import losses, wasserstein_gradient_penalty, zero_centred_gradient_penalty
from .networks import ImageShape, build_discriminator, build_generator


class AdversarialConfig(Config):
    """Recipe of a GAN.

    `r1_gamma`, `r2_gamma`: weights γ of the penalties on real and generated images (γ/2 · E‖∇D‖²), computed every
    `penalty_interval` steps and scaled up accordingly (lazy regularisation, Karras et al. 2020, section 3.1).
    `gradient_penalty`: weight λ of the Wasserstein penalty.
    `classification_weight`: weight of the cross-entropy of the discriminator's class scores, on real images in its own
    step and on generated ones in the generator's (Odena et al. 2017, section 3).
    `feature_matching_weight`: weight, in the generator's step, of the distance between the classes' mean features.
    `discriminator_head_start`: share of the run in which the discriminator learns alone, as a new one must before it
    can teach a generator that is trained already (`parent`).
    `discriminator_steps`: how many discriminator steps go before each generator step.
    `one_stage`: both networks learn from one pass through the discriminator instead of two (Shen et al. 2021), for
    losses whose two gradients on a generated image are multiples of each other that never vanish.
    Learning rates stay constant until `decay_start` of the run and then fall linearly to zero.
    """

    loss: Literal["non_saturating", "hinge", "least_squares", "wasserstein", "relativistic"] = "non_saturating"
    r1_gamma: float = Field(default=1.0, ge=0)
    r2_gamma: float = Field(default=0.0, ge=0)
    penalty_interval: int = Field(default=8, ge=1)
    gradient_penalty: float = Field(default=0.0, ge=0)
    classification_weight: float = Field(default=0.0, ge=0)
    feature_matching_weight: float = Field(default=0.0, ge=0)
    discriminator_head_start: float = Field(default=0.0, ge=0, lt=1)
    discriminator_steps: int = Field(default=1, ge=1)
    one_stage: bool = False
    generator_learning_rate: float = Field(default=1e-3, gt=0)
    discriminator_learning_rate: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.0, 0.99)
    decay_start: float = Field(default=0.6, ge=0, le=1)
    augmentation: str = "none"
    augmentation_config: dict[str, Any] = {}


def as_launched(function: Callable[..., Tensor], accelerator: Accelerator) -> Callable[..., Tensor]:
    """A network or a method of it, compiled where `accelerate launch --dynamo_backend inductor` or the like asks so."""
    plugin = accelerator.state.dynamo_plugin
    if plugin is None or plugin.backend == DynamoBackend.NO:
        return function
    return torch.compile(function, **plugin.to_kwargs())


class Judgement(NamedTuple):
    """What the discriminator makes of N images: logits [N], the cross-entropies of its class scores [N] and features.

    Cross-entropies are zero, and features have no columns, where nothing in the recipe asks for them.
    """

    logits: Tensor
    surprise: Tensor
    features: Tensor

    def parts(self, count: int) -> tuple[Judgement, Judgement]:
        """Those of the first `count` images, and the others'."""
        return Judgement(*(each[:count] for each in self)), Judgement(*(each[count:] for each in self))


class AdversarialTraining:
    """Trains a generator against a discriminator; `generator` is what will be averaged and kept."""

    def __init__(
        self,
        config: dict[str, Any],
        architecture: str,
        architecture_config: dict[str, Any],
        image_shape: ImageShape,
        accelerator: Accelerator,
    ) -> None:
        self.config = parse_config(AdversarialConfig, config, "method_config")
        self.accelerator = accelerator
        self.loss = losses[self.config.loss]
        self.generator = build_generator(architecture, architecture_config, image_shape)
        self.discriminator = build_discriminator(architecture, architecture_config, image_shape)
        self.augmentation = build_augmentation(self.config.augmentation, **self.config.augmentation_config)
        penalised = self.config.r1_gamma or self.config.r2_gamma or self.config.gradient_penalty
        normalises_by_batch = any(
            isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.discriminator.modules()
        )
        self.mixes_images = normalises_by_batch or getattr(self.discriminator, "mixes_images", False)
        if penalised and normalises_by_batch:
            raise AIGCError("A gradient penalty needs a discriminator without batch normalisation; drop one of them.")
        if self.config.classification_weight and not (
            image_shape.num_classes and hasattr(self.discriminator, "class_scores")
        ):
            raise AIGCError("classification_weight needs classes and a discriminator that scores them, as dcgan has.")
        if self.config.feature_matching_weight and not hasattr(self.discriminator, "features"):
            raise AIGCError("feature_matching_weight needs a discriminator that shows its features, as dcgan's does.")
        if self.config.one_stage and (
            self.config.loss not in ("non_saturating", "wasserstein", "relativistic")
            or self.config.discriminator_steps > 1
            or self.config.r2_gamma
            or self.config.classification_weight
            or self.config.feature_matching_weight
            or self.config.discriminator_head_start
            or self.mixes_images
        ):
            raise AIGCError(
                "one_stage needs the loss non_saturating, wasserstein or relativistic, one discriminator step without "
                "a head start, no R2, no classification_weight or feature_matching_weight, and a discriminator that "
                "judges every image by itself."
            )
        self.feature_matching = (
            FeatureMatching(image_shape.num_classes, self.discriminator.num_features)  # type: ignore[arg-type]
            if self.config.feature_matching_weight
            else None
        )
        for module in self.modules.values():
            module.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Read from its features only where they are asked for, as not every discriminator has them.
        self.reads_features = self.config.classification_weight > 0 or self.config.feature_matching_weight > 0
        self.judge: Callable[..., Tensor] = self.discriminator.features if self.reads_features else self.discriminator  # type: ignore[assignment]
        self.compiled_generator, self.compiled_judge = (
            as_launched(network, accelerator) for network in (self.generator, self.judge)
        )
        # One kernel updates all weights; plain Adam is left for devices that have none.
        fused = accelerator.device.type in ("cpu", "cuda", "mps")
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(network.parameters(), lr=learning_rate, betas=self.config.betas, fused=fused)
            for name, network, learning_rate in (
                ("generator", self.generator, self.config.generator_learning_rate),
                ("discriminator", self.discriminator, self.config.discriminator_learning_rate),
            )
        }
        self.learning_rates = {name: optimizer.defaults["lr"] for name, optimizer in self.optimizers.items()}

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Everything whose state must be kept to go on training."""
        modules = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "augmentation": self.augmentation,
        }
        return modules | ({"feature_matching": self.feature_matching} if self.feature_matching is not None else {})

    def step(self, images: Tensor, labels: Tensor, step: int, progress: float, draws: StepDraws) -> dict[str, Tensor]:
        """Train both networks on one batch.

        images: float [N, C, H, W] in [-1, 1]; labels: float [N, num_classes]; `progress`: share of the run that is
        over; `draws`: this step's random numbers. Returns what was measured as tensors on the device, so that
        nothing waits for them.
        """
        self._set_learning_rates(progress)
        penalise = step % self.config.penalty_interval == 0
        alone = progress < self.config.discriminator_head_start
        measured: dict[str, Tensor] = {}
        for repetition in range(self.config.discriminator_steps):
            # The generator learns from the images of the last repetition alone.
            last = repetition + 1 == self.config.discriminator_steps
            with self.accelerator.autocast(), torch.set_grad_enabled(last and not alone):
                generated = self.compiled_generator(self._latents(draws), labels)
            # Images are transformed in full precision, as their coordinates need it.
            generated = generated.float()
            measured |= self._discriminator_step(images, generated, labels, draws, penalise and repetition == 0)
        if not (self.config.one_stage or alone):
            measured |= self._generator_step(images, generated, labels, draws)
        return measured

    def warning(self, measured: dict[str, float]) -> str | None:
        """A sentence when the discriminator has won: it tells every pair apart and the generator learns nothing."""
        if measured["discriminator_accuracy"] == 1 and measured["real_logits"] - measured["fake_logits"] > 20:
            return "the discriminator has won and teaches nothing; raise r1_gamma or lower its learning rate."
        return None

    def _discriminator_step(
        self, real: Tensor, generated: Tensor, labels: Tensor, draws: StepDraws, penalise: bool
    ) -> dict[str, Tensor]:
        config = self.config
        r1, r2 = penalise and config.r1_gamma > 0, penalise and config.r2_gamma > 0
        self.discriminator.requires_grad_(True)
        # In one stage, this copy collects the discriminator's gradients on the generated images.
        judged = generated.detach().requires_grad_(config.one_stage)
        real = self.augmentation(real, draws.generator).detach().requires_grad_(r1)
        fake = self.augmentation(judged, draws.generator)
        if r2:
            fake = fake.detach().requires_grad_()
        # Second derivatives are taken in full precision.
        with nullcontext() if r1 or r2 else self.accelerator.autocast():
            if r1 or r2 or self.mixes_images:
                of_real, of_fake = self._judge(real, labels, twice=r1), self._judge(fake, labels, twice=r2)
            else:
                of_real, of_fake = self._judge(torch.cat([real, fake]), labels.repeat(2, 1)).parts(len(real))
        real_logits, fake_logits = of_real.logits, of_fake.logits
        loss = self.loss.discriminator(real_logits, fake_logits)
        loss = loss + config.classification_weight * of_real.surprise.mean()
        measured = {
            "discriminator_loss": loss.detach(),
            "real_logits": real_logits.detach().mean(),
            "fake_logits": fake_logits.detach().mean(),
            "discriminator_accuracy": (real_logits.detach() > fake_logits.detach()).float().mean(),
        }
        if r1:
            measured["r1_penalty"] = (r1_penalty := zero_centred_gradient_penalty(real, real_logits)).detach()
            loss = loss + config.penalty_interval * config.r1_gamma / 2 * r1_penalty
        if r2:
            measured["r2_penalty"] = (r2_penalty := zero_centred_gradient_penalty(fake, fake_logits)).detach()
            loss = loss + config.penalty_interval * config.r2_gamma / 2 * r2_penalty
        if config.gradient_penalty:
            penalty = wasserstein_gradient_penalty(
                lambda between: self.discriminator(between, labels),
                real.detach(),
                fake.detach(),
                draws.uniform(1, 1, 1),
            )
            measured["gradient_penalty"] = penalty.detach()
            loss = loss + config.gradient_penalty * penalty
        self._update("discriminator", self.discriminator, loss)
        if config.one_stage:
            measured |= self._generator_follows(generated, judged.grad, real_logits.detach(), fake_logits.detach())  # type: ignore[arg-type]
        self.augmentation.update(self.accelerator.gather(real_logits.detach()))  # type: ignore[operator]
        if self.feature_matching is not None:
            self.feature_matching.update(*self.accelerator.gather((of_real.features, of_fake.features, labels)))
        return measured

    def _generator_follows(
        self, generated: Tensor, gradients: Tensor, real_logits: Tensor, fake_logits: Tensor
    ) -> dict[str, Tensor]:
        """∇L_G = ∇L_D · (∂L_G/∂logit) / (∂L_D/∂logit), image by image (Shen et al. 2021, section 3.2)."""
        fake_logits.requires_grad_()
        loss = self.loss.generator(real_logits, fake_logits)
        (of_discriminator,) = torch.autograd.grad(self.loss.discriminator(real_logits, fake_logits), fake_logits)
        (of_generator,) = torch.autograd.grad(loss, fake_logits)
        ratios = of_generator / of_discriminator
        self._update("generator", self.generator, generated, gradients * ratios[:, None, None, None])
        return {"generator_loss": loss.detach()}

    def _generator_step(self, real: Tensor, generated: Tensor, labels: Tensor, draws: StepDraws) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(False)
        fake = self.augmentation(generated, draws.generator)
        with self.accelerator.autocast():
            of_fake = self._judge(fake, labels)
        real_logits = fake_logits = of_fake.logits
        if self.config.loss == "relativistic":
            real = self.augmentation(real, draws.generator)
            with torch.no_grad(), self.accelerator.autocast():
                real_logits = self._judge(real, labels).logits
        loss = (
            self.loss.generator(real_logits, fake_logits) + self.config.classification_weight * of_fake.surprise.mean()
        )
        measured: dict[str, Tensor] = {}
        if self.feature_matching is not None:
            measured["feature_distance"] = (distance := self.feature_matching(of_fake.features, labels)).detach()
            loss = loss + self.config.feature_matching_weight * distance
        self._update("generator", self.generator, loss)
        return measured | {"generator_loss": loss.detach()}

    def _judge(self, images: Tensor, labels: Tensor, twice: bool = False) -> Judgement:
        """`twice`: a penalty will differentiate the logits twice, which compiled code does not allow."""
        judge = self.judge if twice else self.compiled_judge
        no_surprise = images.new_zeros(len(images))
        if not self.reads_features:
            return Judgement(judge(images, labels).float(), no_surprise, images.new_zeros(len(images), 0))
        features = judge(images)
        if not self.config.classification_weight:
            logits = self.discriminator.logits(features, labels).float()  # type: ignore[operator]
            return Judgement(logits, no_surprise, features.float())
        scores = self.discriminator.class_scores(features).float()  # type: ignore[operator]
        surprise = cross_entropy(scores, labels, reduction="none")
        return Judgement((scores * labels).sum(1), surprise, features.float())

    def _latents(self, draws: StepDraws) -> Tensor:
        return draws.normal(self.generator.latent_dim)  # type: ignore[arg-type]

    def _update(self, name: str, network: nn.Module, output: Tensor, gradients: Tensor | None = None) -> None:
        """One optimiser step on the gradients averaged over all processes, given those of `output` if it is no loss.

        The networks are not wrapped in DistributedDataParallel: its hooks do not work with autograd.grad, which the
        penalties need.
        """
        self.optimizers[name].zero_grad(set_to_none=True)
        output.backward(gradients)
        if self.accelerator.num_processes > 1:
            own = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
            average = self.accelerator.reduce(torch.cat([gradient.flatten() for gradient in own]), "mean")
            for gradient, part in zip(own, average.split([gradient.numel() for gradient in own])):  # type: ignore[union-attr]
                gradient.copy_(part.view_as(gradient))
        self.optimizers[name].step()

    def _set_learning_rates(self, progress: float) -> None:
        start = self.config.decay_start
        factor = 1.0 if progress <= start else max(0.0, (1 - progress) / (1 - start))
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rates[name] * factor
