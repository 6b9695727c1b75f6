"""`python -m aigc_core report`: evaluated checkpoints as a page of HTML that opens without a server and offline."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from aigc_core.evaluation.results import FIGURES
from aigc_core.files import atomic_write, translate_io_errors
from aigc_core.serving.report import evaluated_entries, report_page, sample_pictures
from aigc_core.translation import environment_language


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="REF",
        help="evaluated checkpoints, runs or recipes: folders, OWNER/NAME, OWNER, collection:… or tag:…",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where index.html is written")
    parser.add_argument("--figure", default="fid", choices=sorted(FIGURES), help="what is ranked by")


def run(arguments: Namespace) -> int:
    entries = evaluated_entries(arguments.checkpoints)
    page = report_page(entries, sample_pictures(entries), arguments.figure, environment_language())
    index = arguments.out / "index.html"
    with translate_io_errors(arguments.out):
        arguments.out.mkdir(parents=True, exist_ok=True)
    with atomic_write(index) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    print(index)
    return 0
