"""Run benchmarks and keep what they print in `RESULTS.md`: `python -m tests.benchmarks [NAME …]`.

Without a name those run that together fit in an hour on two cores; the others take hours. A name in quotes may carry
options of that benchmark, and has a section of its own: `python -m tests.benchmarks "stability mnist"`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "RESULTS.md"
TITLE = "# What the benchmarks printed\n\n"
WITHIN_AN_HOUR = (
    "training_step",
    "profile_step",
    "start_up",
    "generate_call",
    "page",
    "load",
    "leaderboard",
    "evaluation",
    "neighbours",
    "calibration",
    "recipe_calibration",
    "memory",
    "rounding",
    "watermark",
)
HOURS_LONG = ("equal_time", "families", "public_families", "stability", "scarce_data", "characters")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(WITHIN_AN_HOUR + HOURS_LONG)}")
    names = parser.parse_args().names or WITHIN_AN_HOUR
    sections = dict(part.split("\n", 1) for part in PAGE.read_text().split("\n## ")[1:]) if PAGE.is_file() else {}
    for name in names:
        benchmark, *options = name.split()
        command = ["-m", f"tests.benchmarks.{benchmark}", *options]
        printed = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True).stdout
        sections[name] = f"\n`python {' '.join(command)}`\n\n{printed.strip()}\n"
        ordered = sorted(sections, key=lambda title: (WITHIN_AN_HOUR + HOURS_LONG).index(title.split()[0]))
        PAGE.write_text(TITLE + "\n".join(f"## {title}\n{sections[title]}" for title in ordered))


if __name__ == "__main__":
    main()
