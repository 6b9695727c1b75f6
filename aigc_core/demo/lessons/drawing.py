"""Points and intervals as SVG, in the colours of the page."""

from __future__ import annotations

import html
from collections.abc import Sequence

from torch import Tensor

from aigc_core.metrics.estimate import Estimate

SIDE = 200


def cloud(
    points: Sequence[tuple[str, Tensor]], reach: float, title: str, lines: Sequence[tuple[Tensor, Tensor]] = ()
) -> str:
    """Clouds of points float [N, 2] as (class of CSS, points), the later ones above, within ±`reach` on both axes.

    `title` stands below; `lines` lead from one point float [2] to another.
    """

    def place(point: Sequence[float]) -> tuple[str, str]:
        return f"{SIDE / 2 * (1 + point[0] / reach):.1f}", f"{SIDE / 2 * (1 - point[1] / reach):.1f}"

    drawn = []
    for start, end in lines:
        (x1, y1), (x2, y2) = place(start.tolist()), place(end.tolist())
        drawn.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')
    for name, group in points:
        places = "".join("M{} {}h0".format(*place(point)) for point in group.tolist())
        drawn.append(f'<path class="{name}" d="{places}"/>')
    return (
        f'<figure class="cloud"><svg viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{html.escape(title)}">'
        f"{''.join(drawn)}</svg><figcaption>{html.escape(title)}</figcaption></figure>"
    )


def intervals(estimates: Sequence[Estimate], truth: float, end: float, title: str) -> str:
    """Estimates as points with their intervals, one below the other, on an axis from 0 to `end`, beside the true
    value as a line; those whose interval misses it stand out."""

    def place(value: float) -> str:
        return f"{min(max(100 * value / end, 0.0), 100.0):.2f}%"

    rows = []
    for row, each in enumerate(estimates):
        name = "missed" if not each.low <= truth <= each.high else ""
        middle = 8 + 10 * row
        rows.append(
            f'<g class="{name}"><line x1="{place(each.low)}" x2="{place(each.high)}" y1="{middle}" y2="{middle}"/>'
            f'<circle cx="{place(each.value)}" cy="{middle}" r="3"/></g>'
        )
    height = 6 + 10 * len(estimates)
    axis = f'<line class="truth" x1="{place(truth)}" x2="{place(truth)}" y1="0" y2="{height}"/>'
    return (
        f'<figure class="intervals"><svg height="{height}" role="img" aria-label="{html.escape(title)}">{axis}'
        f'{"".join(rows)}</svg><div class="axis"><span>0</span><span>{end:g}</span></div>'
        f"<figcaption>{html.escape(title)}</figcaption></figure>"
    )
