"""Tables of a protocol's rows: as records of numbers, and for texts as LaTeX and Markdown, with intervals and with the
protocol as a footnote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aigc_core.evaluation.results import FIGURES, Protocol

from .leaderboard import Row, kind_of


def as_rows(rows: list[Row]) -> list[dict[str, object]]:
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
                record |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
        table.append(record)
    return table


def as_latex(rows: list[Row], figures: Iterable[str]) -> str:
    """Rows as a table in LaTeX (package booktabs) of the named figures, each as value ± half width."""
    protocol, figures = rows[0].result.protocol, list(figures)
    arrows = {"lower": r"$\downarrow$", "higher": r"$\uparrow$"}
    heads = [f"{_in_latex(FIGURES[name].title)} {arrows[FIGURES[name].better]}" for name in figures]
    text = [
        # A name with a line break would end the comment.
        " ".join(
            f"% {protocol.num_samples} samples against {protocol.dataset}:{protocol.split}, {protocol.extractor}, "
            f"protocol {protocol.id}; 95 % intervals".split()
        ),
        rf"\begin{{tabular}}{{rl{'r' * len(figures)}}}",
        r"\toprule",
        " & ".join(["Rank", "Checkpoint", *heads]) + r" \\",
        r"\midrule",
    ]
    for row in rows:
        values = [row.result.figures.get(name) for name in figures]
        cells = ["--" if value is None else f"${value}$".replace("±", r"\pm") for value in values]
        text.append(" & ".join([str(row.rank or "--"), _in_latex(row.name), *cells]) + r" \\")
    note = rf"\par\smallskip {{\footnotesize {_in_latex(protocol_note(protocol))}}}"
    return "\n".join([*text, r"\bottomrule", r"\end{tabular}", note, ""])


def as_markdown(rows: Sequence[Row], figures: Sequence[str]) -> str:
    """Rows as a table of the named figures, each as value ± half width; what the figures are stands below."""
    heads = [f"{FIGURES[name].title} {FIGURES[name].arrow}" for name in figures]
    lines = [["Rank", "Checkpoint", *heads], ["---:", "---", *["---:" for _ in figures]]]
    for row in rows:
        values = [row.result.figures.get(name) for name in figures]
        cells = ["–" if value is None else str(value) for value in values]
        lines.append([str(row.rank or "–"), _in_markdown(row.name), *cells])
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{table}\n\n{_in_markdown(protocol_note(rows[0].result.protocol))}\n"


def protocol_note(protocol: Protocol) -> str:
    """What the figures of a table are, as a footnote on one line."""
    note = (
        f"{protocol.num_samples:,} samples against {protocol.num_reference:,} of {protocol.dataset} "
        f"({protocol.split}), {protocol.extractor or 'compared as they are'}, protocol {protocol.id}; 95 % intervals, "
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
