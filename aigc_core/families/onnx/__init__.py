"""Generators that others exported as ONNX: `z[, labels][, truncation] → images`, run by onnxruntime.

The graph lies in the checkpoint's `model.safetensors` as its bytes, a stranger's data: `graph` says what it may hold
before any of it runs, and `model` bounds what running it may cost.
"""

from aigc_core.families.base import Family, families

from .model import TruncationOptions, build_model

ONNX = families.register("onnx", Family(build_model, {}, TruncationOptions))
