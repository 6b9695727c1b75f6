"""`python -m aigc_core push`: upload a checkpoint, a run or a recipe's runs to the Hugging Face Hub."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from aigc_core.hub.push import push


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", help="the folder of a checkpoint, of a run, whose steps become revisions, or of a recipe's runs"
    )
    parser.add_argument("repo_id", metavar="OWNER/NAME")
    parser.add_argument("--revision", help="the branch to put it into, for example step-0000100; by default main")
    parser.add_argument("--private", action="store_true", help="make a repository that only its owner sees")
    parser.add_argument(
        "--benchmark",
        metavar="DATASET_ID",
        help="also claim the figures on the leaderboard of this data set on the Hub; without it, an earlier claim is "
        "removed",
    )


def run(arguments: Namespace) -> int:
    address = push(
        arguments.checkpoint,
        arguments.repo_id,
        arguments.revision,
        arguments.private,
        benchmark=arguments.benchmark,
    )
    print(address)
    return 0
