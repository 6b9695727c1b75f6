"""Pipelines of diffusers without text, by their own configs and safetensors, as checkpoints of the family `diffusers`.

Nothing of a pipeline is run: its parts are made by the library's own classes, and its weights are read from safetensors
alone. Code that a repository brings and pickled weights are refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from aigc_core.checkpoint.checkpoint import StoredCheckpoint, check_fit, check_size, shapes_in
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.checkpoint.layout import CONFIG_FILE, MAX_CONFIG_BYTES
from aigc_core.config import Config, parse_config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import families
from aigc_core.families.diffusers.model import (
    DECODERS,
    PipelineConfig,
    channels_of,
    classes_of,
    image_size,
    read_settings,
    require_diffusers,
)

from .base import PIPELINE_FILE, Format, formats

SCHEDULER_FILE = "scheduler_config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
PARTS = ("unet", "transformer", "vae", "vqvae", "scheduler")
OLD_NAMES = {"Transformer2DModel": "DiTTransformer2DModel"}
"""Names under which earlier versions of diffusers saved networks, and their present names."""
OLD_LAYERS = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""The same of the layers of attention."""
SCHEDULERS = {
    "DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler",
    "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "LMSDiscreteScheduler",
    "UniPCMultistepScheduler", "DEISMultistepScheduler",
}  # fmt: skip
"""Schedulers for networks that predict noise; DDIM uses their noise schedule."""

old_layer = re.compile(rf"\.({'|'.join(OLD_LAYERS)})(?=\.(weight|bias)$)")


class Statement(Config):
    """What a user may state about a pipeline: the `steps` of DDIM, and the `dataset` that it was trained on."""

    steps: int = 50
    dataset: str = ""


def wanted(names: Collection[str]) -> list[str]:
    """The configs and weights of a pipeline's parts; only the index of one that takes text, which `convert` refuses."""
    if PIPELINE_FILE not in names:
        return []
    if any(name.startswith(("text_encoder", "tokenizer")) for name in names):
        return [PIPELINE_FILE]
    files = (CONFIG_FILE, SCHEDULER_FILE, WEIGHTS)
    known = {PIPELINE_FILE, *files, *(f"{part}/{file}" for part in PARTS for file in files)}
    return sorted(known & {*names})


def convert(folder: Path, names: Sequence[str], stated: Mapping[str, str]) -> StoredCheckpoint:
    """The checkpoint of a pipeline. Raises AIGCError for one that takes text, brings code, has pickled weights or no
    noise prediction, is damaged, or draws no square images."""
    require_diffusers()
    statement = parse_config(Statement, dict(stated), Sentence("What is stated of '{model}'", model=folder))
    index = _settings(folder / PIPELINE_FILE)
    parts = _parts(folder, index)
    network = "transformer" if "transformer" in parts else "unet"
    decoder = next((part for part in ("vae", "vqvae") if part in parts), "")
    name, decoder_name = (OLD_NAMES.get(parts.get(part, ""), parts.get(part, "")) for part in (network, decoder))
    configs = {part: _settings(_file(folder, names, part, CONFIG_FILE)) for part in (network, decoder) if part}
    values = {
        "network": configs[network],
        "scheduler": _settings(_file(folder, names, "scheduler", SCHEDULER_FILE)),
        "decoder_name": decoder_name,
        "decoder": configs.get(decoder, {}),
        "steps": statement.steps,
    }
    pipeline = parse_config(PipelineConfig, values, f"'{folder}'")
    num_classes = classes_of(name, pipeline)
    labels, class_names = index.get("id2label"), []
    if isinstance(labels, dict) and isinstance(num_classes, int):
        class_names = [str(labels.get(str(number), number))[:200] for number in range(num_classes)]
    described = {
        "family": "diffusers",
        "architecture": name,
        "architecture_config": pipeline.model_dump(mode="json"),
        "shape": {"channels": channels_of(pipeline), "resolution": image_size(pipeline)},
        "num_classes": num_classes,
        "class_names": class_names,
        "dataset": statement.dataset,
    }
    config = parse_config(CheckpointConfig, described, f"'{folder}'")
    weights = {
        prefix: _file(folder, names, part, WEIGHTS)
        for prefix, part in (("network", network), ("decoder", decoder))
        if part
    }
    return StoredCheckpoint(config, _loaded(config, weights).eval())


def _parts(folder: Path, index: Mapping[str, Any]) -> dict[str, str]:
    """The class names of a pipeline's parts. Raises AIGCError unless all are diffusers' own networks and schedulers."""
    parts = {}
    for name, value in index.items():
        if name.startswith("_") and name != "_class_name":
            continue
        if not isinstance(value, list) or len(value) != 2 or value == [None, None]:
            if name == "_class_name" and not isinstance(value, str):
                raise _brings_code(folder, value)
            continue
        library, kind = value
        if name.startswith(("text_encoder", "tokenizer")):
            raise AIGCError(
                "'{folder}' draws from a text, and only models that take none can be opened.", folder=folder
            )
        if library != "diffusers":
            raise _brings_code(folder, f"{library}.{kind}")
        allowed = SCHEDULERS if name == "scheduler" else {"UNet2DModel", *OLD_NAMES, *OLD_NAMES.values(), *DECODERS}
        if name not in PARTS or kind not in allowed:
            raise AIGCError(
                "'{folder}' has the part '{name}' of the kind '{kind}', which DDIM cannot draw from.",
                folder=folder,
                name=name,
                kind=kind,
            )
        parts[name] = kind
    if "scheduler" not in parts or not {"unet", "transformer"} & parts.keys():
        raise AIGCError("'{folder}' is no complete pipeline: it has no network or no scheduler.", folder=folder)
    return parts


def _brings_code(folder: Path, what: object) -> AIGCError:
    return AIGCError(
        "'{folder}' needs code of its own ({what}), which is never run here. Where you trust it, export its generator "
        "with torch.onnx.export and open the ONNX file.",
        folder=folder,
        what=what,
    )


def _file(folder: Path, names: Sequence[str], part: str, file: str) -> Path:
    """A part's file, in its folder or, in older pipelines, beside the index."""
    name = next((name for name in (f"{part}/{file}", file) if name in names), None)
    if name is None and file == WEIGHTS:
        raise AIGCError(
            "'{folder}' has no weights of its part '{part}' as safetensors; pickled ones (.bin) can run code when they "
            "are opened and are never read here. Where you trust them, diffusers writes safe ones: "
            "DiffusionPipeline.from_pretrained(NAME).save_pretrained(FOLDER).",
            folder=folder,
            part=part,
        )
    if name is None:
        raise AIGCError(
            "'{folder}' is no complete pipeline: {file} of its part '{part}' is missing.",
            folder=folder,
            file=file,
            part=part,
        )
    return folder / name


def _settings(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ValueError("too large")
        return read_settings(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AIGCError("'{path}' is no config of diffusers ({error}).", path=path, error=error) from None


def _loaded(config: CheckpointConfig, weights: Mapping[str, Path]) -> Any:
    """The model with the weights of each part; shapes are compared before memory is allocated."""
    with torch.device("meta"):
        announced = families[config.family].build_model(config.spec).state_dict()
    check_size(next(iter(weights.values())).parent, announced)
    model = families[config.family].build_model(config.spec)
    for prefix, path in weights.items():
        part = model.get_submodule(prefix)
        computed = {name for name, _ in part.named_buffers()}
        try:
            shapes = _by_present_names(shapes_in(path))
            expected = {
                name: tuple(tensor.shape)
                for name, tensor in part.state_dict().items()
                if name in shapes or name not in computed
            }
            check_fit(path, shapes, expected)
            tensors = {name: tensor.float() for name, tensor in _by_present_names(load_file(path)).items()}
        except SafetensorError as error:
            raise AIGCError(
                "'{weights}' is damaged or not a safetensors file ({error}); fetch it again.", weights=path, error=error
            ) from None
        part.load_state_dict(tensors, strict=False)
    return model


def _by_present_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """What a file holds, with the layers of attention called as the network calls them; no two come to share a name."""
    present = {name: old_layer.sub(lambda found: f".{OLD_LAYERS[found[1]]}", name) for name in tensors}
    return {name if present[name] in tensors else present[name]: tensor for name, tensor in tensors.items()}


formats.register("diffusers", Format(wanted, convert, 4 * 2**30))
