"""Every registered architecture keeps the contract, and each one its paper's equations."""

import math
from pathlib import Path

import numpy
import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional

from aigc_core import AIGCError, Checkpoint
from aigc_core.cli import main
from aigc_core.config import Config
from aigc_core.families.base import Condition
from aigc_core.families.gan.generator import GANOptions, Generator
from aigc_core.families.gan.method import AdversarialTraining
from aigc_core.families.gan.networks import (
    Architecture,
    ImageShape,
    architectures,
    build_discriminator,
    build_generator,
)
from aigc_core.families.gan.networks.r3gan import ResidualBlock
from aigc_core.families.gan.networks.resnet import ConditionalBatchNorm, SelfAttention
from aigc_core.families.gan.networks.style_dcgan import AdaptiveBatchNorm
from aigc_core.families.gan.networks.stylegan2 import (
    EqualisedLinear,
    ModulatedConvolution,
    StyleConfig,
    minibatch_std,
)
from aigc_core.nn.resampling import downsample, low_pass, upsample
from aigc_core.pipeline import train
from aigc_core.training.presets import read_preset
from aigc_core.training.recipe import TrainingConfig
from tests.toy_models import spec_of

# Other test modules register toys of their own; a new file in the package is tested here without being named.
NAMES = [name for name in architectures if architectures[name].generator.__module__.startswith("aigc_core.")]

# Small, and with every part in use.
SMALL = {
    "mlp": {"latent_dim": 16, "generator_widths": [32, 32], "discriminator_widths": [32, 32]},
    "dcgan": {
        "latent_dim": 16,
        "generator_width": 8,
        "stem_convolutions": 1,
        "discriminator_width": 8,
        "max_width": 16,
    },
    "resnet": {
        "latent_dim": 16,
        "generator_width": 8,
        "generator_max_width": 16,
        "generator_spectral_norm": True,
        "discriminator_width": 8,
        "discriminator_max_width": 16,
    },
    "style": {
        "latent_dim": 16,
        "style_dim": 16,
        "generator_width": 8,
        "discriminator_width": 8,
        "max_width": 16,
        "style_mixing": 0.0,
    },
    "style-dcgan": {
        "latent_dim": 16,
        "style_dim": 16,
        "generator_width": 8,
        "stem_convolutions": 1,
        "discriminator_width": 8,
        "max_width": 16,
        "style_mixing": 0.0,
    },
    "r3gan": {"latent_dim": 16, "generator_width": 8, "discriminator_width": 8, "max_width": 16, "group_width": 8},
}
STYLED = [name for name in NAMES if name.startswith("style")]


def small_config(name: str, image_shape: ImageShape) -> dict:
    attention = {"attention_resolution": 2 * image_shape.stem_resolution} if name == "resnet" else {}
    return SMALL.get(name, {}) | attention


def build(name: str, resolution: int = 32, channels: int = 3, num_classes: int = 10) -> tuple[nn.Module, nn.Module]:
    """Both networks, seeded, with every parameter moved off its initial value (some start at zero)."""
    torch.manual_seed(0)
    image_shape = ImageShape(channels=channels, resolution=resolution, num_classes=num_classes)
    config = small_config(name, image_shape)
    networks = build_generator(name, config, image_shape), build_discriminator(name, config, image_shape)
    with torch.no_grad():
        for network in networks:
            for parameter in network.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
    return networks


def inputs(generator: nn.Module, count: int, num_classes: int = 10) -> tuple[Tensor, Tensor]:
    """Latents, and labels that weigh all classes."""
    weights = torch.rand(count, num_classes)
    return torch.randn(count, generator.latent_dim), weights / weights.sum(1, keepdim=True)  # type: ignore[call-overload]


def r1_penalty(discriminator: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(images, labels).sum(), images, create_graph=True)
    return gradient.square().sum()


# All architectures


@pytest.mark.parametrize("num_classes", [0, 10])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resolution", [28, 32, 64])
@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_ranges(name: str, resolution: int, channels: int, num_classes: int) -> None:
    torch.manual_seed(0)
    image_shape = ImageShape(channels=channels, resolution=resolution, num_classes=num_classes)
    config = small_config(name, image_shape)
    generator, discriminator = (
        build_generator(name, config, image_shape),
        build_discriminator(name, config, image_shape),
    )
    latents, labels = inputs(generator, 3, num_classes)
    for count, mode in ((3, True), (3, False), (1, False)):
        generator.train(mode)
        discriminator.train(mode)
        images = generator(latents[:count], labels[:count])
        logits = discriminator(images, labels[:count])
        assert images.shape == (count, channels, resolution, resolution) and logits.shape == (count,)
        assert images.isfinite().all() and logits.isfinite().all() and images.std() < 3
    assert all(weight.ndim == 2 for weight in generator.first_layers())  # type: ignore[operator]


@pytest.mark.parametrize("name", NAMES)
def test_default_config_builds_and_fits_a_small_machine(name: str) -> None:
    image_shape = ImageShape(channels=3, resolution=32, num_classes=10)
    with torch.device("meta"):
        networks = build_generator(name, {}, image_shape), build_discriminator(name, {}, image_shape)
    assert all(sum(parameter.numel() for parameter in network.parameters()) < 2e6 for network in networks)


@pytest.mark.parametrize("name", NAMES)
def test_images_do_not_depend_on_their_neighbours(name: str) -> None:
    generator, _ = build(name)
    latents, labels = inputs(generator, 5)
    with torch.no_grad():
        generator(latents, labels)  # batch statistics and means take some values
        generator.eval()
        random_state = torch.get_rng_state()
        together = generator(latents, labels)
        alone = torch.cat([generator(latents[[k]], labels[[k]]) for k in range(5)])
        assert torch.equal(random_state, torch.get_rng_state()), "eval mode drew random numbers"
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_latents_and_labels_both_matter(name: str) -> None:
    generator, discriminator = (network.eval() for network in build(name))
    latents, labels = inputs(generator, 2)
    one_hot = torch.eye(10)
    with torch.no_grad():
        images = generator(latents[:1].expand(10, -1), one_hot)
        assert (images[0] - images[1]).abs().max() > 1e-4
        logits = discriminator(images[:1].expand(10, -1, -1, -1), one_hot)
        assert (logits[0] - logits[1]).abs() > 1e-5
        mixed = generator(latents, labels)
        assert (mixed[0] - mixed[1]).abs().max() > 1e-3


@pytest.mark.parametrize("resolution", [28, 32])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter(name: str, resolution: int) -> None:
    # In eval mode, where no bias is cancelled by batch normalisation; float64 tells zero from rounding.
    generator, discriminator = (network.double().eval() for network in build(name, resolution))
    latents, labels = (values.double() for values in inputs(generator, 4))
    images = generator(latents, labels)
    (images * torch.randn_like(images)).sum().backward()
    discriminator(torch.randn_like(images), labels).sum().backward()
    for network in (generator, discriminator):
        for parameter_name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().max() > 1e-10, parameter_name


@pytest.mark.parametrize("name", NAMES)
def test_r1_gradient_matches_finite_differences(name: str) -> None:
    _, discriminator = build(name, resolution=28, channels=1, num_classes=3)
    discriminator.double().eval()
    images, labels = torch.rand(2, 1, 28, 28).double() * 2 - 1, torch.eye(3).double()[:2]
    parameters = list(discriminator.parameters())
    gradients = torch.autograd.grad(r1_penalty(discriminator, images, labels), parameters, allow_unused=True)
    # Along the gradient itself, so that the slope is its squared norm and cannot be lost among roundings.
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients if gradient is not None))
    penalties = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients):
                if gradient is not None:
                    parameter.add_(gradient, alpha=step / norm)
        penalties.append(r1_penalty(discriminator, images, labels).item())
    assert norm > 0 and (penalties[0] - penalties[1]) / 2e-6 == pytest.approx(norm, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_restores_a_network_built_without_memory(name: str) -> None:
    image_shape = ImageShape(channels=3, resolution=32, num_classes=10)
    config = small_config(name, image_shape)
    for network, builder in zip(build(name), (build_generator, build_discriminator)):
        images, labels = torch.randn(4, 3, 32, 32), torch.eye(10)[:4]
        first_input = torch.randn(4, network.latent_dim) if builder is build_generator else images  # type: ignore[call-overload]
        network(first_input, labels)  # buffers take values that a fresh network does not have
        with torch.device("meta"):
            restored = builder(name, config, image_shape)
        state = {key: value.clone() for key, value in network.state_dict().items()}
        restored.load_state_dict(state, assign=True)
        assert not any(tensor.is_meta for tensor in [*restored.parameters(), *restored.buffers()])
        with torch.no_grad():
            assert torch.equal(network.eval()(first_input, labels), restored.eval()(first_input, labels))


@pytest.mark.parametrize("name", NAMES)
def test_memory_format_does_not_change_results(name: str) -> None:
    generator, discriminator = (network.double().eval() for network in build(name))
    latents, labels = (values.double() for values in inputs(generator, 4))
    with torch.no_grad():
        images = generator(latents, labels)
        logits = discriminator(images, labels)
        generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        torch.testing.assert_close(generator(latents, labels), images)
        last = images.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(discriminator(last, labels), logits)


@pytest.mark.parametrize("name", NAMES)
def test_overfits_eight_images(name: str) -> None:
    """The generator learns eight pictures by heart, and the discriminator to tell them from eight others."""
    generator, discriminator = build(name, resolution=28, channels=1)
    latents, labels = inputs(generator, 8)
    rows = torch.linspace(-1, 1, 28)
    waves = [torch.outer((rows * (k + 1)).sin(), (rows * (8 - k)).cos()) for k in range(8)]
    pictures = torch.stack(waves)[:, None]
    others = pictures.flip(2).roll(9, 3)

    def fit(network: nn.Module, loss_of, steps: int, learning_rate: float) -> list[float]:
        optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(0.5, 0.99))
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    losses = fit(generator, lambda: (generator(latents, labels) - pictures).square().mean(), 60, 5e-3)
    assert losses[-1] < 0.3 * losses[0] and losses[-1] < 0.15

    def separate() -> Tensor:
        real, fake = discriminator(pictures, labels), discriminator(others, labels)
        return (functional.softplus(-real) + functional.softplus(fake)).mean()

    losses = fit(discriminator, separate, 60, 2e-3)
    assert losses[-1] < 0.3


@pytest.mark.parametrize("name", NAMES)
def test_resumed_training_equals_training_that_never_stopped(
    name: str, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")  # a GPU's libraries add in no fixed order

    def run(folder: Path, samples: int, resume: bool) -> Path:
        config = TrainingConfig(
            data=str(digits_folder),
            resolution=28,
            channels=1,
            architecture=name,
            architecture_config=SMALL.get(name, {}) | ({"style_mixing": 0.9} if name in STYLED else {}),
            method_config={"r1": {"gamma": 1.0, "interval": 2}, "optimizer": {"learning_rate": 1e-3}},
            samples=samples,
            batch_size=4,
        )
        return train(config, folder, resume=resume, trackers=())

    whole = run(tmp_path / "whole", 24, False)
    run(tmp_path / "parts", 12, False)
    torch.manual_seed(12345)  # another process would not have this one's random state either
    parts = run(tmp_path / "parts", 24, True)
    states = [Checkpoint.from_pretrained(folder).model.state_dict() for folder in (whole, parts)]
    assert all(torch.equal(tensor, states[1][key]) for key, tensor in states[0].items())


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("dcgan", {"generator_width": 0}),
        ("mlp", {"generator_widths": [64]}),
        ("mlp", {"generator_widths": [64, 0]}),
        ("r3gan", {"no_such_key": 1}),
        ("r3gan", {"generator_width": 12, "group_width": 16}),
        ("r3gan", {"max_width": 100, "group_width": 16}),
        ("resnet", {"attention_resolution": 7}),
        ("resnet", {"attention_resolution": 32}),
        ("resnet", {"discriminator_plain_blocks": 3}),
        ("resnet", {"generator_width": "wide"}),
        ("style", {"style_mixing": 1.5}),
        ("style", {"mapping_layers": 0}),
        ("no-such-architecture", {}),
    ],
)
def test_wrong_configs_are_refused_in_one_sentence(name: str, config: dict) -> None:
    image_shape = ImageShape(channels=3, resolution=32)
    for builder in (build_generator, build_discriminator):
        with pytest.raises(AIGCError) as error:
            builder(name, config, image_shape)
        assert "\n" not in str(error.value) and str(error.value).endswith(".")


# An architecture from outside the package


class OutsideConfig(Config):
    """A linear GAN."""

    latent_dim: int = 5


class OutsideGenerator(Generator):
    def __init__(self, config: OutsideConfig, image_shape: ImageShape) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.shape = (image_shape.channels, image_shape.resolution, image_shape.resolution)
        self.layer = nn.Linear(config.latent_dim + image_shape.num_classes, math.prod(self.shape))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return torch.tanh(self.layer(torch.cat([latents, labels], 1))).unflatten(1, self.shape)

    def first_layers(self) -> list[Tensor]:
        return [self.layer.weight[:, : self.latent_dim]]


class OutsideDiscriminator(nn.Module):
    def __init__(self, config: OutsideConfig, image_shape: ImageShape) -> None:
        super().__init__()
        self.layer = nn.Linear(image_shape.channels * image_shape.resolution**2, 1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.layer(images.flatten(1)).squeeze(1)


OUTSIDE = Architecture(OutsideConfig, OutsideGenerator, OutsideDiscriminator)


def test_an_architecture_from_outside_trains_and_samples(digits_folder: Path, tmp_path: Path) -> None:
    architectures.register("outside", OUTSIDE)
    architectures.register("outside", OUTSIDE)  # the same again changes nothing
    with pytest.raises(AIGCError, match="another architecture named 'outside'"):
        architectures.register("outside", Architecture(OutsideConfig, OutsideGenerator, OutsideGenerator))
    assert "outside" in architectures
    with pytest.raises(AIGCError, match="unknown key 'architecture_config.depth'"):
        build_generator("outside", {"depth": 3}, ImageShape(channels=1, resolution=28))
    words = ["train", "--preset", "folder", "--data", str(digits_folder), "--out", str(tmp_path / "run")]
    settings = [
        "architecture=outside",
        "architecture_config={latent_dim: 7}",
        "batch_size=8",
        "resolution=28",
        "channels=1",
    ]
    assert main([*words, "--samples", "64", *(f"--set={setting}" for setting in settings)]) == 0
    (newest,) = (tmp_path / "run").glob("step-*")
    assert Checkpoint.from_pretrained(newest).model.noise_shape == (7,)
    assert main(["sample", str(newest), "--num", "2", "--out", str(tmp_path / "samples.npz"), "--format", "npz"]) == 0
    assert numpy.load(tmp_path / "samples.npz")["samples"].shape == (2, 1, 28, 28)


# Resampling


def test_resampling_is_filtering_between_pixels() -> None:
    """Against the definition: zeros between the pixels, then the filter; the filter, then every second pixel."""
    maps = torch.randn(2, 3, 6, 10, dtype=torch.float64)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8
    kernel = torch.outer(taps, taps).expand(3, 1, 4, 4)
    stuffed = torch.zeros(2, 3, 12, 20, dtype=torch.float64)
    stuffed[:, :, ::2, ::2] = maps
    expected = functional.conv2d(functional.pad(stuffed, (2, 1, 2, 1)), 4 * kernel, groups=3)
    torch.testing.assert_close(upsample(maps), expected)
    expected = functional.conv2d(functional.pad(maps, (1, 1, 1, 1)), kernel, groups=3)
    torch.testing.assert_close(low_pass(maps, 1), expected)
    torch.testing.assert_close(downsample(maps), expected[:, :, ::2, ::2])


def test_resampling_differentiates_twice() -> None:
    maps = torch.randn(1, 2, 4, 6, dtype=torch.float64, requires_grad=True)
    for function in (downsample, upsample, lambda maps: low_pass(maps, 1), lambda maps: low_pass(maps, 2)):
        assert torch.autograd.gradcheck(function, maps)
        assert torch.autograd.gradgradcheck(function, maps)


# resnet


def largest_singular_value(weight: Tensor) -> float:
    return torch.linalg.svdvals(weight.detach().flatten(1))[0].item()


def test_spectral_normalisation_fixes_the_largest_singular_value() -> None:
    generator, discriminator = build("resnet")
    latents, labels = inputs(generator, 2)
    for _ in range(100):
        discriminator(generator(latents, labels), labels)
    for network in (generator, discriminator):
        layers = [
            module for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)
            and "gain" not in name and "shift" not in name
        ]  # fmt: skip
        assert len(layers) > 10
        for layer in layers:
            assert largest_singular_value(layer.weight) == pytest.approx(1, rel=0.02)
    plain = build_generator("resnet", {}, ImageShape(channels=3, resolution=32))
    assert not any("parametrizations" in name for name in plain.state_dict())


def test_self_attention_is_scaled_dot_product_attention_without_the_scale() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(16, normalise=False).double()
    maps = torch.randn(2, 16, 5, 5, dtype=torch.float64)
    assert torch.equal(attention(maps), maps), "γ starts at 0"
    nn.init.constant_(attention.gamma, 0.7)
    f, g, h = (layer(maps).flatten(2).mT for layer in (attention.f, attention.g, attention.h))
    attended = functional.scaled_dot_product_attention(g, f, h, scale=1.0)
    expected = maps + 0.7 * attention.v(attended.mT.unflatten(2, (5, 5)))
    torch.testing.assert_close(attention(maps), expected)


def test_conditional_batch_norm_is_a_batch_norm_for_each_class() -> None:
    norm = ConditionalBatchNorm(4, num_classes=3)
    maps = torch.randn(6, 4, 5, 5)
    plain = functional.batch_norm(maps, None, None, training=True)
    torch.testing.assert_close(norm(maps, torch.eye(3).repeat(2, 1)), plain)
    nn.init.normal_(norm.gain.weight)  # type: ignore[union-attr]
    nn.init.normal_(norm.shift.weight)  # type: ignore[union-attr]
    outputs = norm(maps, torch.eye(3).repeat(2, 1))
    for image in range(6):
        gain, shift = norm.gain.weight[:, image % 3], norm.shift.weight[:, image % 3]  # type: ignore[union-attr]
        torch.testing.assert_close(outputs[image], plain[image] * gain[:, None, None] + shift[:, None, None])


def test_the_classroom_gan_is_the_one_of_the_tutorials() -> None:
    """784 = 28 × 28 pixels; Adam at 2e-4, batches of 64, cross-entropy on logits and nothing else."""
    recipe = TrainingConfig(**read_preset("mnist-mlp"))
    shape = ImageShape(channels=1, resolution=28)
    for build, widths in ((build_generator, [100, 256, 256, 784]), (build_discriminator, [784, 256, 128, 1])):
        network = build(recipe.architecture, recipe.architecture_config, shape)
        assert [tuple(layer.weight.shape) for layer in network.modules() if isinstance(layer, nn.Linear)] == list(
            zip(widths[1:], widths)
        )
    method = AdversarialTraining(recipe.method_config, spec_of(recipe.architecture, {}, shape), Accelerator(cpu=True))
    adam = method.config.optimizer
    assert (adam.learning_rate, adam.discriminator_learning_rate, adam.betas) == (2e-4, None, (0.5, 0.999))
    assert (method.config.loss, method.parts) == ("non_saturating", [])
    assert (recipe.batch_size, recipe.conditional) == (64, False)


def test_dcgan_paper_config() -> None:
    """Radford et al. 2015, figure 1: 1024 × 4 × 4 by four fractionally strided convolutions to 3 × 64 × 64."""
    shape = ImageShape(channels=3, resolution=64)
    config = {"generator_width": 128, "discriminator_width": 128, "max_width": 1024}
    config |= {"discriminator_features": 0, "discriminator_norm": "batch"}
    generator, discriminator = build_generator("dcgan", config, shape), build_discriminator("dcgan", config, shape)
    up = [layer for layer in generator.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert generator.stem.weight.shape == (1024 * 4 * 4, 100)
    assert [(layer.in_channels, layer.out_channels) for layer in up] == [(1024, 512), (512, 256), (256, 128), (128, 3)]
    down = [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in down] == [
        (3, 128),
        (128, 256),
        (256, 512),
        (512, 1024),
    ]
    assert {layer.stride for layer in up + down} == {(2, 2)}
    # Batch normalisation everywhere but in the generator's output and the discriminator's input layer.
    counts = [sum(isinstance(layer, nn.BatchNorm2d) for layer in net.modules()) for net in (generator, discriminator)]
    assert counts == [4, 3]


def test_resnet_paper_configs() -> None:
    """SN-GAN for CIFAR-10 (Miyato et al. 2018, table 4) and for ImageNet-128 (table 5), parameters by hand."""
    cifar = {
        "generator_width": 256,
        "generator_max_width": 256,
        "discriminator_width": 128,
        "discriminator_max_width": 128,
        "discriminator_plain_blocks": 2,
    }
    image_shape = ImageShape(channels=3, resolution=32)

    def convolution(size: int, kernel: int, out: int) -> int:
        return size * kernel**2 * out + out

    with torch.device("meta"):
        generator, discriminator = (
            builder("resnet", cifar, image_shape) for builder in (build_generator, build_discriminator)
        )
        block = 2 * 2 * 256 + 2 * convolution(256, 3, 256) + convolution(256, 1, 256)
        expected = (128 + 1) * 4 * 4 * 256 + 3 * block + 2 * 256 + convolution(256, 3, 3)
        assert sum(parameter.numel() for parameter in generator.parameters()) == expected
        first = convolution(3, 3, 128) + convolution(128, 3, 128) + convolution(3, 1, 128)
        expected = first + 6 * convolution(128, 3, 128) + convolution(128, 1, 128) + 128 + 1
        assert sum(parameter.numel() for parameter in discriminator.parameters()) == expected

        imagenet = {"generator_width": 64, "generator_max_width": 1024} | {
            "discriminator_width": 64,
            "discriminator_max_width": 1024,
        }
        image_shape = ImageShape(channels=3, resolution=128, num_classes=1000)
        generator = build_generator("resnet", imagenet, image_shape)
        assert [block.conv2.out_channels for block in generator.blocks] == [1024, 512, 256, 128, 64]  # type: ignore[union-attr]
        discriminator = build_discriminator("resnet", imagenet, image_shape)
        widths = [block.conv2.out_channels for block in discriminator.blocks]  # type: ignore[union-attr]
        assert widths == [64, 128, 256, 512, 1024, 1024]
        assert [block.downsample for block in discriminator.blocks] == [True] * 5 + [False]  # type: ignore[union-attr]
        sagan = imagenet | {"generator_spectral_norm": True, "attention_resolution": 32}
        generator = build_generator("resnet", sagan, image_shape)
        assert [isinstance(module, SelfAttention) for module in generator.attentions].index(True) == 2  # type: ignore[arg-type]


# style


@pytest.mark.parametrize("upsample", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_modulation_scales_every_image_s_own_weights(demodulate: bool, upsample: bool) -> None:
    """Against equations 1 and 3 of the paper, with a weight tensor for each image."""
    torch.manual_seed(0)
    layer = ModulatedConvolution(6, 5, 3, style_dim=4, demodulate=demodulate, upsample=upsample).double()
    maps, styles = torch.randn(3, 6, 8, 8, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    outputs = layer(maps, styles)
    for image in range(3):
        scales = layer.affine.parameter @ styles[image] / math.sqrt(4) + layer.affine.bias
        weight = layer.parameter / math.sqrt(6 * 9) * scales[:, None, None]
        if demodulate:
            weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if upsample:
            stuffed = torch.zeros(1, 6, 15, 15, dtype=torch.float64)
            stuffed[:, :, ::2, ::2] = maps[image]
            convolved = functional.conv2d(stuffed, weight.flip(2, 3), padding=2)
            expected = 4 * low_pass(convolved, padding=1)
        else:
            expected = functional.conv2d(maps[[image]], weight, padding=1)
        torch.testing.assert_close(outputs[[image]], expected)


def test_demodulation_makes_unit_variance() -> None:
    torch.manual_seed(0)
    layer = ModulatedConvolution(16, 8, 3, style_dim=4)
    nn.init.normal_(layer.parameter, std=20)
    outputs = layer(torch.randn(4, 16, 64, 64), 5 * torch.randn(4, 4))[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(outputs.var(dim=(2, 3)), torch.ones(4, 8), rtol=0.15, atol=0)


def test_equalised_learning_rate() -> None:
    """Parameters are stored at unit variance over the multiplier, and used at variance 1 / fan-in."""
    torch.manual_seed(0)
    for multiplier in (1.0, StyleConfig().mapping_lr_multiplier):
        layer = EqualisedLinear(400, 300, lr_multiplier=multiplier)
        assert layer.parameter.std().item() * multiplier == pytest.approx(1, rel=0.02)
        assert layer.weight.std().item() == pytest.approx(1 / 20, rel=0.02)
        nn.init.ones_(layer.bias)
        zeros = torch.zeros(1, 400)
        assert layer(zeros)[0, 0].item() == pytest.approx(multiplier)
    generator, _ = build("style")
    assert all(layer.lr_multiplier == 0.01 for layer in generator.mapping_network.layers)  # type: ignore[union-attr]


def test_truncation_pulls_styles_to_their_mean() -> None:
    generator, _ = build("style")
    latents, labels = inputs(generator, 4)
    with torch.no_grad():
        expected = 0.005 * generator.mapping_network(latents, labels).mean(0)  # type: ignore[operator]
        generator(latents, labels)
        torch.testing.assert_close(generator.style_mean, expected)
        generator.eval()
        kept = generator.style_mean.clone()  # type: ignore[operator]
        none, half, full = (
            generator.generate(latents, Condition(labels), GANOptions(truncation=truncation))
            for truncation in (0.0, 0.5, 1.0)
        )
        assert torch.equal(generator.style_mean, kept), "eval mode moved the mean"  # type: ignore[arg-type]
        torch.testing.assert_close(full, generator(latents, labels))
    torch.testing.assert_close(none, none[:1].expand_as(none))
    assert none.var(0).mean() < half.var(0).mean() < full.var(0).mean()


def test_truncation_pulls_styles_to_the_mean_of_their_class() -> None:
    """Means are of style-dcgan's training: those of classes that a batch lacks stay where they are."""
    generator, _ = build("style-dcgan", num_classes=3)
    latents, labels = torch.randn(8, 16), functional.one_hot(torch.tensor([0, 2] * 4), 3).float()
    with torch.no_grad():
        styles = generator.mapping_network(latents, labels)  # type: ignore[operator]
        generator(latents, labels)
        torch.testing.assert_close(generator.style_mean, 0.005 * styles.mean(0))
        expected = torch.stack([0.005 * styles[::2].mean(0), torch.zeros(16), 0.005 * styles[1::2].mean(0)])
        torch.testing.assert_close(generator.class_style_means, expected)
        generator.eval()
        for truncation in (0.0, 0.3, 1.0):
            options, centres = GANOptions(truncation=truncation), expected[[0, 2] * 4]
            codes = generator.encode(latents, Condition(labels), options)  # type: ignore[operator]
            torch.testing.assert_close(codes[:, 1], centres + truncation * (styles - centres))
            assert torch.equal(codes, codes[:, :1].expand_as(codes)) and codes.shape[1] == generator.num_layers
        halfway = Condition(torch.tensor([[0.25, 0, 0.75]]))
        mixed = generator.encode(latents[:1], halfway, GANOptions(truncation=0))  # type: ignore[operator]
        torch.testing.assert_close(mixed[0, 0], 0.25 * expected[0] + 0.75 * expected[2])


def test_gains_and_shifts_follow_the_style() -> None:
    """equation 1 of Karras et al. 2019, the statistics being the batch's."""
    torch.manual_seed(0)
    layer, maps, styles = AdaptiveBatchNorm(3, 5), 2 + 3 * torch.randn(6, 3, 4, 4), torch.randn(6, 5)
    nn.init.normal_(layer.affine.weight)
    output = layer(maps, styles)
    x, w = maps.double().numpy(), layer.affine.weight.detach().double().numpy()
    normalised = (x - x.mean((0, 2, 3), keepdims=True)) / numpy.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
    scales = styles.double().numpy() @ w.T
    expected = normalised * (1 + scales[:, :3, None, None]) + scales[:, 3:, None, None]
    numpy.testing.assert_allclose(output.detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_latent_length_does_not_matter_to_styles() -> None:
    generator, _ = build("style")
    latents, labels = inputs(generator.eval(), 3)
    styles = generator.mapping(latents, labels)  # type: ignore[operator]
    assert styles.shape == (3, 2 * 3 + 2, 16)
    torch.testing.assert_close(generator.mapping(7 * latents, labels), styles)  # type: ignore[operator]
    weights = generator.first_layers()  # type: ignore[operator]
    assert len(weights) == generator.num_layers and all(weight.shape[1] == 16 for weight in weights)


@pytest.mark.parametrize("name", STYLED)
@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_style_mixing_switches_latents_at_some_layer(name: str, probability: float) -> None:
    torch.manual_seed(0)
    config = SMALL[name] | {"style_mixing": probability}
    generator = build_generator(name, config, ImageShape(channels=1, resolution=32))
    generator.synthesis = lambda styles: styles  # type: ignore[assignment]
    latents, labels = inputs(generator, 1000, 0)
    with torch.no_grad():
        styles = generator(latents, labels)
        own = (styles == generator.mapping_network(latents, labels)[:, None]).all(2)  # type: ignore[operator]
        generator.eval()
        assert (generator(latents, labels) == generator(latents, labels)[:, :1]).all()
    assert own[:, 0].all(), "the first layer keeps its latent"
    assert (own.int().diff(dim=1) <= 0).all(), "once switched, styles stay switched"
    crossovers = own.sum(1)[~own[:, -1]]
    assert len(crossovers) / 1000 == pytest.approx(probability, abs=0.05)
    if len(crossovers):
        assert set(crossovers.tolist()) == set(range(1, generator.num_layers)), (
            "any layer but the first may be the crossover"
        )


def test_noise_is_new_in_training_and_constant_in_evaluation() -> None:
    generator, _ = build("style")
    for layer in generator.layers:  # type: ignore[union-attr]
        nn.init.constant_(layer.noise_strength, 0.3)  # type: ignore[arg-type]
    latents, labels = inputs(generator, 2)
    with torch.no_grad():
        assert (generator(latents, labels) - generator(latents, labels)).abs().max() > 0.1
        generator.eval()
        assert torch.equal(generator(latents, labels), generator(latents, labels))


def test_minibatch_standard_deviation() -> None:
    for count, members in ((8, 4), (6, 3), (5, 1), (1, 1)):
        maps = torch.randn(count, 3, 2, 2)
        appended = minibatch_std(maps, torch.zeros(len(maps), 0))
        torch.testing.assert_close(appended[:, :3], maps)
        for image in range(count):
            group = maps.numpy()[image % (count // members) :: count // members]
            assert len(group) == members
            expected = numpy.sqrt(group.var(axis=0) + 1e-8).mean()
            numpy.testing.assert_allclose(appended[image, 3].numpy(), expected, rtol=1e-5)


def test_minibatch_standard_deviation_shows_a_class_whose_images_are_all_alike() -> None:
    classes = torch.tensor([0, 1] * 4)
    maps = torch.randn(8, 3, 2, 2)
    maps[classes == 1] = torch.randn(1, 3, 2, 2)
    appended = minibatch_std(maps, nn.functional.one_hot(classes).float())[:, 3, 0, 0]
    assert appended[classes == 1].max() < 1e-3
    expected = maps[classes == 0].var(0, correction=0).sqrt().mean()
    torch.testing.assert_close(appended[classes == 0], expected.expand(4))


def test_style_paper_config() -> None:
    """Configuration F at 1024 pixels: 18 styles, channels 512 down to 32 (Karras et al. 2020)."""
    config = {"latent_dim": 512, "style_dim": 512, "max_width": 512, "mapping_layers": 8}
    with torch.device("meta"):
        generator = build_generator("style", config, ImageShape(channels=3, resolution=1024))
        discriminator = build_discriminator("style", config, ImageShape(channels=3, resolution=1024))
    assert generator.num_layers == 18
    widths = [512, 512, 512, 512, 512, 256, 128, 64, 32]
    mapping = 8 * (512 * 512 + 512)

    def layer(in_width: int, out_width: int, kernel: int, own: int) -> int:
        return 512 * in_width + in_width + in_width * out_width * kernel**2 + out_width + own

    expected = mapping + 512 * 16 + layer(512, 512, 3, 1) + layer(512, 3, 1, 0)
    for in_width, width in zip(widths, widths[1:]):
        expected += layer(in_width, width, 3, 1) + layer(width, width, 3, 1) + layer(width, 3, 1, 0)
    # 30,370,060 is what the authors' network has, by its printed table.
    assert sum(parameter.numel() for parameter in generator.parameters()) == expected == 30_370_060
    expected = 3 * 32 + 32 + (513 * 9 + 1) * 512 + (512 * 16 + 1) * 512 + 512 + 1
    for width, in_width in zip(widths, widths[1:]):
        expected += (in_width * 9 + 1) * in_width + (in_width * 9 + 1) * width + in_width * width
    assert sum(parameter.numel() for parameter in discriminator.parameters()) == expected == 29_012_513


# r3gan


def r3gan_shapes(widths: list[int], group_width: int, blocks: int, latent: int, classes: int) -> tuple[list, list]:
    """Shapes of both networks' parameters in order, written down from the paper's architecture."""

    def block(width: int) -> list[tuple[int, ...]]:
        inner = 2 * width
        return [(inner, width, 1, 1), (inner, group_width, 3, 3), (width, inner, 1, 1), (inner,), (inner,)]

    stem = widths[0]
    up: list = [(stem, 4, 4), (stem, 2 * latent if classes else latent), *blocks * block(stem)]
    for before, width in zip(widths, widths[1:]):
        up += ([] if before == width else [(width, before, 1, 1)]) + blocks * block(width)
    up += [(3, widths[-1], 1, 1)] + ([(latent, classes)] if classes else [])
    down: list = [(widths[-1], 3, 1, 1), *blocks * block(widths[-1])]
    for before, width in zip(widths[::-1], widths[-2::-1]):
        down += ([] if before == width else [(width, before, 1, 1)]) + blocks * block(width)
    down += [(stem, 1, 4, 4), (stem if classes else 1, stem)] + ([(stem, classes)] if classes else [])
    return up, down


@pytest.mark.parametrize(
    ("resolution", "num_classes", "config", "widths", "counts"),
    [
        (32, 0, {"width": 768, "max_width": 768, "group_width": 16}, [768] * 4, (20_732_160, 20_683_776)),
        (32, 10, {"width": 768, "max_width": 768, "group_width": 16}, [768] * 4, (20_781_952, 21_280_512)),
        (64, 0, {"width": 384, "max_width": 768, "group_width": 16}, [768] * 4 + [384], (22_429_824, 22_381_440)),
        (
            256,
            0,
            {"width": 96, "max_width": 768, "group_width": 16},
            [768] * 4 + [384, 192, 96],
            (23_057_952, 23_009_568),
        ),
        (64, 1000, {"width": 1536, "max_width": 1536, "group_width": 32}, [1536] * 5, None),
    ],
    ids=["CIFAR-10", "CIFAR-10 conditional", "FFHQ-64", "FFHQ-256", "ImageNet-64"],
)
def test_r3gan_paper_configs(resolution: int, num_classes: int, config: dict, widths: list[int], counts) -> None:
    """Layers in the order of the paper's; the counts are those of the authors' code with its presets."""
    config = dict(config, blocks=2)
    width = config.pop("width")
    config |= {"generator_width": width, "discriminator_width": width}
    image_shape = ImageShape(channels=3, resolution=resolution, num_classes=num_classes)
    with torch.device("meta"):
        networks = build_generator("r3gan", config, image_shape), build_discriminator("r3gan", config, image_shape)
    expected = r3gan_shapes(widths, config["group_width"], 2, 64, num_classes)
    for network, shapes in zip(networks, expected):
        assert [tuple(parameter.shape) for parameter in network.parameters()] == shapes
    if counts:
        assert tuple(sum(parameter.numel() for parameter in network.parameters()) for network in networks) == counts


def test_r3gan_computes_what_the_authors_code_computes() -> None:
    """The expected numbers were printed by github.com/brownvc/R3GAN at commit 19a7ddf, in float64, with the same
    weights, latents and images."""
    config = {
        "latent_dim": 4,
        "generator_width": 8,
        "discriminator_width": 8,
        "max_width": 16,
        "blocks": 2,
        "group_width": 4,
    }
    image_shape = ImageShape(channels=3, resolution=32, num_classes=3)
    generator = build_generator("r3gan", config, image_shape).double()
    discriminator = build_discriminator("r3gan", config, image_shape).double()
    with torch.no_grad():
        for network in (generator, discriminator):
            for index, parameter in enumerate(network.parameters()):
                count, fan_in = parameter.numel(), max(1, parameter[0].numel())
                values = (torch.arange(count, dtype=torch.float64) * 1.7 + index).sin()
                parameter.copy_(values.view_as(parameter) / fan_in**0.5)
        latents = torch.arange(8, dtype=torch.float64).cos().view(2, 4)
        labels = torch.tensor([[1, 0, 0], [0, 0.25, 0.75]], dtype=torch.float64)
        images = generator(latents, labels)
        logits = discriminator((torch.arange(6144, dtype=torch.float64) * 0.37).sin().view(2, 3, 32, 32), labels)
    numpy.testing.assert_allclose(images[0, :, 0, 0], [0.3911274646838887, 1.8205600934680954, 1.4720482719731138])
    numpy.testing.assert_allclose(images[1, :, 17, 30], [1.3512374045031454, 2.688880012444921, 1.4005838706879348])
    numpy.testing.assert_allclose(images.abs().sum(), 11805.671160034464)
    numpy.testing.assert_allclose(logits, [-0.06441769619122942, 0.048700130625650165])


def test_r3gan_starts_as_fixup_does() -> None:
    """Blocks start as the identity, their inner weights at He's standard deviation times L^(−1/4)."""
    torch.manual_seed(0)
    config = {"generator_width": 64, "max_width": 64, "blocks": 4}
    generator = build_generator("r3gan", config, ImageShape(channels=3, resolution=32))
    blocks = [module for module in generator.modules() if isinstance(module, ResidualBlock)]
    assert len(blocks) == 16
    maps = torch.randn(2, 64, 8, 8)
    assert torch.equal(blocks[3](maps), maps)
    expected = math.sqrt(2 / 1.04) * 16**-0.25
    assert blocks[0].expand.weight.std().item() * math.sqrt(64) == pytest.approx(expected, rel=0.05)
    assert blocks[0].mix.weight.std().item() * math.sqrt(16 * 9) == pytest.approx(expected, rel=0.05)
