"""The contract of families: what models with latents and styles must keep, and how a model without them is sampled."""

from __future__ import annotations

import pytest
import torch
from pydantic import Field
from torch import Tensor, nn

from aigc_core import AIGCError, Checkpoint, SampleRequest
from aigc_core.families.base import (
    Capability,
    Condition,
    LatentModel,
    Model,
    ModelSpec,
    SamplerOptions,
    StyleModel,
    families,
    latent_model,
)
from aigc_core.families.gan.generator import GANOptions
from aigc_core.modalities.image import ImageModality
from aigc_core.sampling.interpolation import interpolate
from aigc_core.sampling.noise import draw_noise
from aigc_core.sampling.sample import sample, sample_all
from tests.toy_models import ARCHITECTURES, toy_checkpoint

KIND = ImageModality(channels=1, resolution=28)


class Tinted(Model):
    """No latents: each pixel is its noise, lightened by the weight of the first class."""

    def __init__(self) -> None:
        super().__init__()
        self.tint = nn.Parameter(torch.tensor(0.25))

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (1, 28, 28)

    def generate(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return noise / 4 + self.tint * condition.classes[:, 0].view(-1, 1, 1, 1)


class Doubled(LatentModel):
    """The least that a model with latents has to bring."""

    def encode(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return 2 * noise

    def decode(self, codes: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return codes + condition.classes.sum(1, keepdim=True)


def test_a_model_with_latents_generates_what_it_decodes_of_what_it_encodes() -> None:
    noise, condition = torch.tensor([[1.0, -2.0], [0.5, 0.0]]), Condition(torch.tensor([[1.0], [3.0]]))
    assert Doubled().generate(noise, condition, SamplerOptions()).tolist() == [[3.0, -3.0], [4.0, 3.0]]


@pytest.mark.parametrize("truncation", [1.0, 0.5])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_networks_of_gans_keep_the_contract(architecture: str, truncation: float) -> None:
    """To generate is to decode what was encoded; codes with a W are one style a layer, else truncated noise."""
    checkpoint = toy_checkpoint(architecture)
    model, options = checkpoint.model, GANOptions(truncation=truncation)
    assert isinstance(model, LatentModel) and latent_model(model) is model
    noise, classes = draw_noise(range(3), model.noise_shape, checkpoint.config.num_classes)
    condition = Condition(classes)
    with torch.no_grad():
        codes = model.encode(noise, condition, options)
        generated = model.generate(noise, condition, options)
        assert torch.equal(generated, model.decode(codes, condition, options))
    side = checkpoint.config.shape["resolution"]
    assert generated.shape == (3, checkpoint.config.shape["channels"], side, side)
    assert all(layer.ndim == 2 and layer.shape[1] == codes.shape[-1] for layer in model.first_layers())
    assert (Capability.STYLES in model.capabilities) == isinstance(model, StyleModel) == ("style" in architecture)
    if isinstance(model, StyleModel):
        assert codes.shape == (3, model.num_layers, len(model.style_mean))
        full, centre = (model.encode(noise, condition, GANOptions(truncation=each)) for each in (1.0, 0.0))
        assert torch.allclose(codes, centre + truncation * (full - centre), atol=1e-6)
    else:
        assert torch.equal(codes, truncation * noise) and model.code_centre.item() == 0


def test_a_model_without_latents_is_sampled_from_its_noise() -> None:
    config = toy_checkpoint("dcgan").config
    checkpoint = Checkpoint(config, Tinted().eval().requires_grad_(False))
    request = SampleRequest(seed=5, count=3, labels="Shirt,Bag")
    samples = sample(checkpoint, request)
    pixels = torch.cat([torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(seed)) for seed in (5, 6, 7)])
    light = torch.tensor([0.25, 0.0, 0.25]).view(3, 1, 1, 1)
    assert torch.equal(samples.stored, KIND.to_stored(pixels / 4 + light))
    assert samples.stored.dtype == torch.uint8 and samples.condition.classes.argmax(1).tolist() == [0, 1, 0]
    assert torch.equal(sample_all(checkpoint, request.singles()), samples.stored)
    with pytest.raises(AIGCError, match="no smooth latent space"):
        sample(checkpoint, SampleRequest(offsets={"z0": 1}))
    with pytest.raises(AIGCError, match="no smooth latent space"):
        latent_model(checkpoint.model)
    with pytest.raises(AIGCError, match="unknown key 'truncation'"):
        sample(checkpoint, SampleRequest(truncation=0.5))


class BrightnessOptions(SamplerOptions):
    brightness: float = Field(default=0.0, ge=-1, le=1)


class Bright(LatentModel):
    """Codes are noise, and all that its option bears on is how they are decoded."""

    options_type = BrightnessOptions

    def __init__(self) -> None:
        super().__init__()
        self.contrast = nn.Parameter(torch.tensor(0.1))

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (784,)

    def encode(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return noise

    def decode(self, codes: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        assert isinstance(options, BrightnessOptions)
        return (self.contrast * codes + options.brightness).view(-1, 1, 28, 28)


def test_options_reach_the_decoding_wherever_samples_are_decoded() -> None:
    checkpoint = Checkpoint(toy_checkpoint("mlp").config, Bright().eval().requires_grad_(False))
    requests = [SampleRequest(seed=seed, brightness=bright) for seed, bright in ((1, 0.5), (2, 0.5), (3, -0.25))]
    noise = torch.cat([torch.randn(1, 784, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2, 3)])
    light = torch.tensor([0.5, 0.5, -0.25])[:, None]
    expected = KIND.to_stored((0.1 * noise + light).view(-1, 1, 28, 28))
    assert torch.equal(sample_all(checkpoint, requests), expected)
    assert torch.equal(torch.cat([sample(checkpoint, request).stored for request in requests]), expected)
    first, *_, last = interpolate(checkpoint, requests[:2], frames=2, loop=False)
    assert torch.equal(torch.stack([first, last]), expected[:2])


def test_conditions_can_be_taken_apart() -> None:
    condition = Condition(torch.eye(4), torch.tensor([3, 1]))
    assert len(condition) == 4 and len(condition[1:3]) == 2
    assert torch.equal(condition[1:3].classes, torch.eye(4)[1:3]) and condition[1:3].prompt is condition.prompt
    moved = condition.to("meta")
    assert moved.prompt is not None and moved.classes.is_meta and moved.prompt.is_meta


def test_a_family_names_the_training_methods_that_it_has() -> None:
    from accelerate import Accelerator

    spec = ModelSpec("dcgan", {}, KIND)
    with pytest.raises(AIGCError, match="no training method 'diffusion'; there are adversarial, one_stage"):
        families["gan"].build_method("diffusion", {}, spec, Accelerator(cpu=True))
