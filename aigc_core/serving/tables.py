"""Tables of a protocol's rows: as records of numbers, and for texts as LaTeX and Markdown, with intervals and with the
protocol as a footnote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol as Interface

from aigc_core.evaluation.results import FIGURES, Protocol
from aigc_core.metrics.estimate import Estimate

from .leaderboard import Row, kind_of


class TableRow(Interface):
    """A row of a table in a text, of a checkpoint or of a recipe."""

    @property
    def lead(self) -> dict[str, str]:
        """What stands before the figures, by its heading: rank, name and whatever else."""
        ...

    @property
    def protocol(self) -> Protocol:
        """That of all its figures."""
        ...

    def estimate(self, name: str) -> Estimate | None:
        """A figure, if it was measured."""
        ...


def as_rows(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Rows as records of numbers: rank, what it is, and each figure with both ends of its interval."""
    table = []
    for row in rows:
        record: dict[str, object] = {
            "rank": row.rank,
            "checkpoint": row.name,
            "family": kind_of(row.entry),
            "architecture": row.entry.config.architecture if row.entry.config else "",
            "samples_seen": row.result.samples_seen,
            "protocol": row.result.protocol.id,
        }
        for name in FIGURES:
            if value := row.result.figures.get(name):
                record |= value.columns(name)
        table.append(record)
    return table


def as_latex(rows: Sequence[TableRow], figures: Sequence[str]) -> str:
    """Rows as a table in LaTeX (package booktabs) of the named figures, each as value ± half width."""
    protocol, lead = rows[0].protocol, list(rows[0].lead)
    arrows = {"lower": r"$\downarrow$", "higher": r"$\uparrow$"}
    heads = [f"{_in_latex(FIGURES[name].title)} {arrows[FIGURES[name].better]}" for name in figures]
    text = [
        # A name with a line break would end the comment.
        " ".join(
            f"% {protocol.num_samples} samples against {protocol.dataset}:{protocol.split}, {protocol.compared}, "
            f"protocol {protocol.id}; 95 % intervals".split()
        ),
        rf"\begin{{tabular}}{{rl{'r' * (len(lead) - 2 + len(figures))}}}",
        r"\toprule",
        " & ".join([*lead, *heads]) + r" \\",
        r"\midrule",
    ]
    for row in rows:
        values = [row.estimate(name) for name in figures]
        cells = ["--" if value is None else f"${value}$".replace("±", r"\pm") for value in values]
        text.append(" & ".join([*(_in_latex(cell) or "--" for cell in row.lead.values()), *cells]) + r" \\")
    note = rf"\par\smallskip {{\footnotesize {_in_latex(protocol_note(protocol))}}}"
    return "\n".join([*text, r"\bottomrule", r"\end{tabular}", note, ""])


def as_markdown(rows: Sequence[TableRow], figures: Sequence[str]) -> str:
    """Rows as a table of the named figures, each as value ± half width; what the figures are stands below."""
    lead = list(rows[0].lead)
    heads = [f"{FIGURES[name].title} {FIGURES[name].arrow}" for name in figures]
    lines = [[*lead, *heads], ["---:", "---", *["---:"] * (len(lead) - 2 + len(figures))]]
    for row in rows:
        values = [row.estimate(name) for name in figures]
        cells = ["–" if value is None else str(value) for value in values]
        lines.append([*(_in_markdown(cell) or "–" for cell in row.lead.values()), *cells])
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{table}\n\n{_in_markdown(protocol_note(rows[0].protocol))}\n"


def protocol_note(protocol: Protocol) -> str:
    """What the figures of a table are, as a footnote on one line."""
    note = (
        f"{protocol.num_samples:,} samples against {protocol.num_reference:,} of {protocol.dataset} "
        f"({protocol.split}), {protocol.compared}, protocol {protocol.id}; 95 % intervals, "
        "ranks by Holm's correction."
    )
    return " ".join(note.split())


def _in_latex(text: str) -> str:
    """Text that LaTeX shows as it is."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "∞": r"$_\infty$"}
    return "".join(special.get(letter, f"\\{letter}" if letter in "&%$#_{}" else letter) for letter in text)


def _in_markdown(text: str) -> str:
    """Text that Markdown shows as it is, in one cell of a table."""
    return "".join(f"\\{letter}" if letter in r"\`*_[]<>|~" else letter for letter in " ".join(text.split()))
