"""`python -m aigc_core report`: evaluated checkpoints as a page of HTML that opens without a server and offline."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from aigc_core.errors import AIGCError
from aigc_core.evaluation.results import FIGURES
from aigc_core.files import atomic_write
from aigc_core.serving.report import evaluated_entries, is_report, report_page, sample_pictures
from aigc_core.translation import environment_language

from .destination import destination


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="REF",
        help="evaluated checkpoints, runs or recipes: folders, OWNER/NAME, OWNER, collection:… or tag:…",
    )
    parser.add_argument("--out", type=destination, required=True, metavar="FOLDER", help="where index.html is written")
    parser.add_argument(
        "--figure", default="fid", choices=sorted(FIGURES), help="the figure to rank by; by default fid"
    )


def run(arguments: Namespace) -> int:
    index = arguments.out / "index.html"
    if index.exists() and not is_report(index):
        raise AIGCError("'{file}' is not a report of AIGC Studio; name another folder.", file=index)
    entries = evaluated_entries(arguments.checkpoints)
    page = report_page(entries, sample_pictures(entries), arguments.figure, environment_language())
    with atomic_write(index) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    print(index)
    return 0
