"""Tables for texts: a protocol's rows as Markdown, with intervals and with the protocol as a footnote."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_core.evaluation.results import FIGURES

from .leaderboard import Row, protocol_note


def as_markdown(rows: Sequence[Row], figures: Sequence[str]) -> str:
    """Rows as a table of the named figures, each as value ± half width; what the figures are stands below."""
    arrows = {"lower": "↓", "higher": "↑"}
    heads = [f"{FIGURES[name].title} {arrows[FIGURES[name].better]}" for name in figures]
    lines = [["Rank", "Checkpoint", *heads], ["---:", "---", *["---:" for _ in figures]]]
    for row in rows:
        values = [row.result.figures.get(name) for name in figures]
        cells = ["–" if value is None else str(value) for value in values]
        lines.append([str(row.rank or "–"), _escaped(row.name), *cells])
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{table}\n\n{_escaped(protocol_note(rows[0].result.protocol))}\n"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, in one cell of a table."""
    return "".join(f"\\{letter}" if letter in r"\`*_[]<>|~" else letter for letter in " ".join(text.split()))
