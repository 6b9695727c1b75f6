"""A second kind of sample and a second family, registered from outside the package: short texts, drawn token by token.

Named in AIGC_PLUGINS, this brings a modality, a family with its training method, a preset and a metric, and nothing in
`aigc_core` knows of it.
"""

from pathlib import Path

from aigc_core.families.base import families
from aigc_core.metrics.catalogue import register_metric
from aigc_core.modalities.base import modalities
from aigc_core.training.presets import add_presets

from .family import TOY_AUTOREGRESSIVE
from .metric import BIGRAM_OVERLAP
from .modality import ToyText

modalities.register(ToyText.name, ToyText)
families.register("toy-autoregressive", TOY_AUTOREGRESSIVE)
register_metric("bigram_overlap", BIGRAM_OVERLAP)
add_presets(Path(__file__).parent / "presets")
