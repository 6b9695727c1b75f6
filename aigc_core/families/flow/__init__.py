"""Flows: noise is carried to samples along a vector field, in many small steps or, as MeanFlow, in one."""

from aigc_core.families.base import Family, families

from .flow_matching import FlowMatching
from .mean_flow import MeanFlow
from .model import FlowOptions, build_model

FLOW = families.register(
    "flow", Family(build_model, {"flow_matching": FlowMatching, "mean_flow": MeanFlow}, FlowOptions)
)
