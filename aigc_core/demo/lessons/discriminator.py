"""What the discriminator sees: its score under each picture, after the visitor has judged them."""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence

import torch

from aigc_core.errors import Sentence
from aigc_core.rng import seeded_generator

from ..language import t
from ..pictures import as_data_uri, png_of
from . import Lesson, lessons
from .film import film, judged, samples_at

SHOWN = 8
"""How many real pictures, and how many generated ones."""


def mixed(seed: int) -> list[tuple[bool, int]]:
    """Which pictures are shown, in their order: whether each is generated, and its number among its kind."""
    generator, count = seeded_generator(seed), len(judged(0).real)
    chosen = [(is_fake, k) for is_fake in (False, True) for k in torch.randperm(count, generator=generator)[:SHOWN]]
    return [
        (chosen[place][0], int(chosen[place][1])) for place in torch.randperm(2 * SHOWN, generator=generator).tolist()
    ]


class Discriminator(Lesson):
    """Who tells generated digits from real ones more often?"""

    name = "discriminator"
    place = 2
    title = Sentence("What the discriminator sees")
    question = Sentence(
        "Eight of these digits were written by people, and eight generated at the end of the training that the first "
        "lesson shows. Choose the eight that you think are generated. Will the discriminator do better?"
    )
    conclusion = Sentence(
        "The discriminator reads single pixels, which people overlook; at times it errs about real digits, of which it "
        "had seen none before. Its score is all that the generator learns from. Move the slider to the left: at first "
        "it knows nothing, and after some 10,000 samples it is hardly ever wrong."
    )
    dial = Sentence("Moment")
    again = Sentence("Other pictures")

    @property
    def stops(self) -> int:
        return len(film().previews)

    @property
    def first_stop(self) -> int:
        return self.stops - 1

    def pictures(self, seed: int) -> Sequence[str]:
        return [picture for picture, _, _ in self._scored(seed, self.first_stop)]

    def verdict(self, seed: int, chosen: Collection[int]) -> str:
        scored = self._scored(seed, self.first_stop)
        found = sum(is_fake == (place in chosen) for place, (_, is_fake, _) in enumerate(scored))
        theirs = sum(is_fake == (score < 0) for _, is_fake, score in scored)
        return t(
            "You are right about {found} of the {all} pictures, the discriminator about {theirs}.",
            found=found,
            theirs=theirs,
            all=len(scored),
        )

    def show(self, seed: int, stop: int) -> str:
        cells = []
        for picture, is_fake, score in self._scored(seed, stop):
            kind = t("generated") if is_fake else t("real")
            name = "generated" if is_fake else "real"
            wrong = " wrong" if is_fake != (score < 0) else ""
            cells.append(
                f'<div class="scored {name}{wrong}"><img src="{picture}" alt="{html.escape(kind)}">'
                f"<b>{score:+.1f}</b><span>{html.escape(kind)}</span></div>"
            )
        said = t(
            "After {samples:,} samples. A score above 0 means that the discriminator takes the picture for real; where "
            "it errs there is a frame.",
            samples=samples_at(stop),
        )
        return f'<div class="judged">{"".join(cells)}</div><p>{html.escape(said)}</p>'

    def _scored(self, seed: int, stop: int) -> list[tuple[str, bool, float]]:
        """Each picture as an address, whether it is generated, and its score."""
        seen = judged(stop)
        return [
            (
                as_data_uri(png_of((seen.generated if is_fake else seen.real)[number])),
                is_fake,
                (seen.generated_logits if is_fake else seen.real_logits)[number],
            )
            for is_fake, number in mixed(seed)
        ]


lessons.register(Discriminator.name, Discriminator())
