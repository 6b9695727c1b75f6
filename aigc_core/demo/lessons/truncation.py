"""Truncation: the same seeds of `checkpoints/fashion-mnist` with more and more of it, drawn and measured in the page.

The noise is scaled (`aigc_core.families.gan.generator`); Brock et al. (2019) draw values beyond a threshold again.
"""

from __future__ import annotations

import html
from collections.abc import Iterator

from torch import Tensor

from aigc_core.access import SHIPPED
from aigc_core.errors import Sentence
from aigc_core.evaluation.reference import DENSITY_NEIGHBOURHOOD, NEIGHBOURHOOD
from aigc_core.loading import load_checkpoint
from aigc_core.metrics.estimate import Estimate
from aigc_core.metrics.extractors import default_extractor, load_extractor
from aigc_core.metrics.label_agreement import label_agreement
from aigc_core.metrics.neighbours import neighbourhoods
from aigc_core.modalities.image import image_grid
from aigc_core.sampling.labels import join_entries
from aigc_core.sampling.sample import Samples

from ..language import t
from ..pictures import as_data_uri, png_of
from . import Lesson, lessons

MODEL = "fashion-mnist"
TRUNCATIONS = (1.0, 0.7, 0.4, 0.1)
SAMPLES = 400
ROWS = 6
"""How many rows of samples are shown; each has one sample of each class."""


def draw(seed: int, truncation: float) -> Samples:
    """SAMPLES samples of the seeds from `seed` on, on the CPU; their classes take turns."""
    checkpoint = load_checkpoint(f"{SHIPPED.name}/{MODEL}", device="cpu")
    labels = join_entries(checkpoint.config.class_names)
    return checkpoint.sample(seed=seed, count=SAMPLES, labels=labels, truncation=truncation)


def features_and_logits(samples: Samples) -> tuple[Tensor, Tensor]:
    """Features [N, F] and logits [N, K] of the classifier that measures this model."""
    return load_extractor(default_extractor(samples.checkpoint.config.dataset)).extract(samples.images)


def measure(samples: Samples, untruncated: Tensor) -> tuple[Estimate, float]:
    """Quality and variety: the samples' label agreement, and their recall, 0 to 1, of the features [M, F] of samples of
    other seeds that were drawn without truncation."""
    features, logits = features_and_logits(samples)
    found = neighbourhoods(features, untruncated, NEIGHBOURHOOD, DENSITY_NEIGHBOURHOOD)
    return label_agreement(logits, samples.labels), found.recall


class Truncation(Lesson):
    """What is lost, and what is gained, nearer to the average?"""

    name = "truncation"
    place = 6
    title = Sentence("Truncation")
    question = Sentence(
        "A GAN turns noise into pictures of clothes. Truncation multiplies that noise by a number below 1. The same "
        "seeds are now drawn without it and with 0.7, 0.4 and 0.1. What happens to the variety of the pictures, and to "
        "their quality?"
    )
    choices = (
        Sentence("Both fall."),
        Sentence("Variety falls, quality rises."),
        Sentence("Variety stays, quality falls."),
    )
    right = 1
    conclusion = Sentence(
        "Truncation buys quality at the price of variety: fewer odd pictures, but fewer kinds of pictures as well. The "
        "same model has another precision, recall and FID with each value of it, so a paper's figures with truncation "
        "cannot be compared with figures without it (Brock et al. 2019, section 3.1; Kynkäänniemi et al. 2019)."
    )
    again = Sentence("Other seeds")

    def reveal(self, seed: int) -> Iterator[str]:
        untruncated, _ = features_and_logits(draw(seed + SAMPLES, 1))
        said = t(
            "Each column is a class; the same place has the same seed in all four. Quality: the share of {count} "
            "samples that a classifier takes for the class asked for, with its 95% interval. Variety: the share of "
            "{count} samples of other seeds, without truncation, that lie among them (recall). {count} samples are "
            "few: other seeds move the variety by some points.",
            count=SAMPLES,
        )
        figures = ""
        for truncation in TRUNCATIONS:
            samples = draw(seed, truncation)
            figures += drawn(samples, truncation, *measure(samples, untruncated))
            done = " done" if truncation == TRUNCATIONS[-1] else ""
            yield f'<div class="pair{done}">{figures}</div><p>{html.escape(said)}</p>'


def drawn(samples: Samples, truncation: float, quality: Estimate, variety: float) -> str:
    """The first samples, a class in each column, over their figures."""
    columns = samples.labels.shape[1]
    grid = image_grid(samples.images[: ROWS * columns], columns)
    title = t("Truncation {truncation:g}", truncation=truncation)
    said = t(
        "Quality {quality:.0%} ({low:.0%} to {high:.0%}), variety {variety:.0%}",
        quality=quality.value,
        low=quality.low,
        high=quality.high,
        variety=variety,
    )
    return (
        f'<figure class="moment"><img src="{as_data_uri(png_of(grid))}" alt="{html.escape(title)}">'
        f"<figcaption><b>{html.escape(title)}</b><br>{html.escape(said)}</figcaption></figure>"
    )


lessons.register(Truncation.name, Truncation())
