"""Generators that others exported as ONNX: `z[, labels][, truncation] → images`, run by onnxruntime.

The bytes of the graph lie in the checkpoint's `model.safetensors` and are not trusted: `graph` checks what it holds
before any of it runs, and `model` limits the memory and time that running it may take.
"""

from aigc_core.families.base import Family, families

from .model import TruncationOptions, build_model

ONNX = families.register("onnx", Family(build_model, {}, TruncationOptions))
