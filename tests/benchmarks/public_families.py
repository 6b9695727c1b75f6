"""What the implementations that people copy reach in the same time, beside `families`: Fashion-MNIST, once each.

    pip install --no-deps torchcfm torchdiffeq pot cloudpickle
    pip install --no-deps git+https://github.com/clementchadebec/benchmark_VAE
    git clone https://github.com/karpathy/nanoGPT
    python -m tests.benchmarks.public_families [--seconds 600] [--num-samples 10000] [--at-once 1] --nanogpt nanoGPT

Each is trained by the clock in its own loop with the networks and settings of its own example for MNIST, and draws as
that example does: pythae's VAE and VQ-VAE (the latter with its PixelCNN, for which two thirds of the time are kept),
torchcfm's conditional flow, and nanoGPT's model with the settings that its README gives for a CPU, but for a context
of all 784 pixels. nanoGPT has no cache and would draw for hours, so that it is compared by its bits alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy
import torch
from torch import Tensor

from aigc_core.data.datasets import load_dataset
from aigc_core.evaluation.results import Result
from aigc_core.evaluation.sample_set import SampleSet
from aigc_core.evaluation.samples_alone import evaluate_samples
from aigc_core.metrics.bits_per_dimension import MAX_SAMPLES
from aigc_core.metrics.extractors import judges

from .report import print_table
from .trials import FOLDER, cores, side_by_side

DATA = "fashion-mnist"
METRICS = ("fid", "precision", "recall")
PIXELS = 28 * 28


@dataclass(frozen=True)
class Outcome:
    """What a public implementation came to; `results`: of the first judge, then of the second."""

    name: str
    steps: int
    parameters: int
    samples_per_second: float | None = None
    results: tuple[Result, ...] = ()
    bits: float | None = None


def real_images() -> tuple[Tensor, Tensor]:
    """The training images as float32 [60000, 1, 28, 28] in 0 to 1, and their classes int64 [60000]."""
    data = load_dataset(DATA)
    return data.images.float() / 255, data.labels


def clock(seconds: float) -> Callable[[], bool]:
    """Says whether so many seconds have passed since it was made."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end


def judged(name: str, steps: int, network: torch.nn.Module, draw: Callable[[int], Tensor], count: int) -> Outcome:
    """Draw samples, float [N, 1, 28, 28] in 0 to 1, and measure them under both judges."""
    began = time.perf_counter()
    samples = draw(count).detach().clamp(0, 1).mul(255).round().byte()
    spent = time.perf_counter() - began
    with TemporaryDirectory() as scratch:
        archive = Path(scratch, "samples.npz")
        numpy.savez(archive, arr_0=samples.permute(0, 2, 3, 1).numpy())
        samples_alone = SampleSet(archive, Path(scratch))
        results = tuple(evaluate_samples(samples_alone, DATA, judge, metrics=METRICS) for judge in judges(DATA))
    return Outcome(name, steps, _parameters(network), count / spent, results)


def _parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


class TimeIsUp(Exception):
    """Ends a loop that only knows epochs."""


def train_by_pythae(model: Any, samples: Tensor, seconds: float, batch_size: int, folder: str) -> int:
    """Train a model of pythae in its own loop until the time is up; returns the number of steps."""
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    class Clock(TrainingCallback):
        def __init__(self) -> None:
            self.steps, self.is_over = 0, clock(seconds)

        def on_train_step_end(self, training_config: Any, **others: Any) -> None:
            self.steps += 1
            if self.is_over():
                raise TimeIsUp

    config = BaseTrainerConfig(
        output_dir=folder, num_epochs=10_000, learning_rate=1e-3, per_device_train_batch_size=batch_size
    )
    dataset = BaseDataset(samples, torch.zeros(len(samples)))
    trainer = BaseTrainer(model, dataset, training_config=config, callbacks=[counted := Clock()])
    try:
        trainer.train()
    except TimeIsUp:
        model.eval()
    return counted.steps


def pythae_vae(seconds: float, count: int) -> Outcome:
    """The settings of `examples/scripts/configs/mnist` and its convolutional networks."""
    from pythae.models import VAE, VAEConfig
    from pythae.models.nn.benchmarks.mnist import Decoder_Conv_AE_MNIST, Encoder_Conv_VAE_MNIST
    from pythae.samplers import NormalSampler

    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=16, reconstruction_loss="mse")
    model = VAE(config, Encoder_Conv_VAE_MNIST(config), Decoder_Conv_AE_MNIST(config))
    images, _ = real_images()
    with TemporaryDirectory() as scratch:
        steps = train_by_pythae(model, images, seconds, 100, scratch)
    sampler = NormalSampler(model)
    return judged("pythae, VAE", steps, model, lambda number: sampler.sample(number, batch_size=500), count)


def pythae_vqvae(seconds: float, count: int) -> Outcome:
    """The settings of `examples/scripts/configs/mnist`, the networks of its notebook, and the PixelCNN as it is."""
    from pythae.models import VQVAE, VQVAEConfig
    from pythae.models.nn.benchmarks.mnist import Decoder_ResNet_VQVAE_MNIST, Encoder_ResNet_VQVAE_MNIST
    from pythae.samplers import PixelCNNSampler

    config = VQVAEConfig(input_dim=(1, 28, 28), latent_dim=16, num_embeddings=256, use_ema=True)
    model = VQVAE(config, Encoder_ResNet_VQVAE_MNIST(config), Decoder_ResNet_VQVAE_MNIST(config))
    images, _ = real_images()
    sampler = PixelCNNSampler(model)
    with TemporaryDirectory() as scratch:
        steps = train_by_pythae(model, images, seconds / 3, 100, scratch)
        is_over = clock(seconds * 2 / 3)
        with torch.no_grad():
            codes = torch.cat([model({"data": part}).quantized_indices for part in images.split(500)])
        codes = codes.reshape(len(codes), *sampler.pixelcnn_model.model_config.input_dim)
        left = 0.0 if is_over() else seconds * 2 / 3
        steps += train_by_pythae(sampler.pixelcnn_model, codes, left, 64, scratch)
    sampler.is_fitted = True
    networks = torch.nn.ModuleList([model, sampler.pixelcnn_model])

    def draw(number: int) -> Tensor:
        # Whole batches: its sampler fails on a rest, and in release 0.1.2 on all, of a codebook learnt by averages.
        return sampler.sample(-(-number // 100) * 100, batch_size=100)[:number]

    return judged("pythae, VQ-VAE", steps, networks, draw, count)


def torchcfm_flow(seconds: float, count: int) -> Outcome:
    """`examples/images/conditional_mnist.ipynb`: class-conditional flow matching, drawn by `dopri5`."""
    from torchcfm.conditional_flow_matching import ConditionalFlowMatcher
    from torchcfm.models.unet import UNetModel
    from torchdiffeq import odeint

    images, labels = real_images()
    model = UNetModel(dim=(1, 28, 28), num_channels=32, num_res_blocks=1, num_classes=10, class_cond=True)
    adam, matcher = torch.optim.Adam(model.parameters()), ConditionalFlowMatcher(sigma=0.0)
    steps, is_over = 0, clock(seconds)
    for rows in shuffled_batches(len(images), 128):
        adam.zero_grad()
        real = images[rows] * 2 - 1
        times, between, velocity = matcher.sample_location_and_conditional_flow(torch.randn_like(real), real)
        torch.mean((model(times, between, labels[rows]) - velocity) ** 2).backward()
        adam.step()
        steps += 1
        if is_over():
            break

    @torch.no_grad()
    def draw(number: int) -> Tensor:
        classes = torch.arange(10).repeat(10)
        parts = [
            odeint(
                lambda t, x: model(t, x, classes),
                torch.randn(100, 1, 28, 28),
                torch.linspace(0, 1, 2),
                atol=1e-4,
                rtol=1e-4,
                method="dopri5",
            )[-1]
            for _ in range(0, number, 100)
        ]
        return torch.cat(parts)[:number] / 2 + 0.5

    model.eval()
    return judged("torchcfm, conditional flow", steps, model, draw, count)


def shuffled_batches(number: int, size: int) -> Iterator[Tensor]:
    """Rows of one epoch after another, without end."""
    while True:
        yield from (rows for rows in torch.randperm(number).split(size) if len(rows) == size)


def nanogpt_pixels(seconds: float, folder: Path) -> Outcome:
    """The loop of its `train.py` with the README's settings for a CPU: 4 layers of 128, batches of 12, a rate that
    falls along a cosine from 1e-3, here by the share of time that has passed."""
    spec = importlib.util.spec_from_file_location("nanogpt_model", folder / "model.py")
    assert spec is not None and spec.loader is not None
    nanogpt = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(nanogpt)
    start = 256
    shape = nanogpt.GPTConfig(
        block_size=PIXELS, vocab_size=257, n_layer=4, n_head=4, n_embd=128, dropout=0.0, bias=False
    )
    model = nanogpt.GPT(shape)
    adam = model.configure_optimizers(1e-1, 1e-3, (0.9, 0.99), "cpu")

    def loss(images: Tensor) -> Tensor:
        pixels = images.flatten(1).long()
        return model(torch.cat([torch.full((len(pixels), 1), start), pixels[:, :-1]], 1), pixels)[1]

    images = load_dataset(DATA).images
    began, steps, passed = time.perf_counter(), 0, 0.0
    for rows in shuffled_batches(len(images), 12):
        rate = 1e-3 * (steps + 1) / 101 if steps < 100 else 1e-4 + 4.5e-4 * (1 + math.cos(math.pi * passed))
        for group in adam.param_groups:
            group["lr"] = rate
        loss(images[rows]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        steps += 1
        passed = (time.perf_counter() - began) / seconds
        if passed > 1:
            break
    model.eval()
    test = load_dataset(DATA, "test").images
    chosen = test[torch.linspace(0, len(test) - 1, MAX_SAMPLES).round().long()]
    with torch.no_grad():
        nats = sum(loss(part).item() * len(part) for part in chosen.split(20)) / len(chosen)
    return Outcome("nanoGPT over pixels", steps, _parameters(model), bits=nats / math.log(2))


def row(outcome: Outcome) -> list[str]:
    first, second = outcome.results or (None, None)
    return [
        outcome.name,
        f"{outcome.steps:,}",
        f"{outcome.parameters / 1e6:.2f} M",
        f"{outcome.samples_per_second:,.1f}" if outcome.samples_per_second else "–",
        *(str(result.figures.get("fid", "–")) if result else "–" for result in (first, second)),
        *(str(first.figures.get(name, "–")) if first else "–" for name in METRICS[1:]),
        "–" if outcome.bits is None else f"{outcome.bits:.3g}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.public_families", description=__doc__)
    parser.add_argument("--nanogpt", type=Path, help="a folder with github.com/karpathy/nanoGPT")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--num-samples", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=1)
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with side_by_side(arguments.at_once) as pool:
        waiting: list[Future[Outcome]] = [
            pool.submit(train, arguments.seconds, arguments.num_samples)
            for train in (torchcfm_flow, pythae_vae, pythae_vqvae)
        ]
        if arguments.nanogpt:
            waiting.append(pool.submit(nanogpt_pixels, arguments.seconds, arguments.nanogpt))
        rows = [row(outcome.result()) for outcome in waiting]
    head = ["implementation", "steps", "parameters", "samples/s", "FID", "FID, second judge"]
    print_table(
        f"Public implementations: {arguments.seconds:g} s of {cores(arguments.at_once)} a training, "
        f"{arguments.num_samples:,} samples",
        [*head, *METRICS[1:], "bits per dimension"],
        rows,
    )


if __name__ == "__main__":
    main()
