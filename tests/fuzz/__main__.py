"""The long form of the fuzz tests."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from . import __doc__ as summary
from .table import TARGETS
from .target import Failure, fuzz, save_failure, try_input

MOST_MEMORY = 8 * 2**30
"""Bytes that an allocation is refused beyond, so that a greedy input fails rather than the machine."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", choices=[*TARGETS, []], help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--input", type=Path, help="try this one input of the target instead")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="where inputs that fail are kept")
    arguments = parser.parse_args()
    os.environ.pop("SPACE_ID", None)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    names = arguments.targets or [*TARGETS]
    tried, failed, began = 0, 0, time.monotonic()
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            target = TARGETS[name](Path(scratch))
            try:
                if arguments.input:
                    outcome = try_input(target, arguments.input.read_bytes())
                    print(outcome.trace or outcome.what if isinstance(outcome, Failure) else outcome)
                    return int(isinstance(outcome, Failure))
                report = fuzz(target, arguments.seed, seconds=arguments.seconds / len(names))
            finally:
                target.close()
        tried, failed = tried + report.tried, failed + len(report.failures)
        print(
            f"{name}: {report.tried:,} inputs, {report.refused:,} of them refused, {len(report.outcomes)} distinct "
            f"outcomes, {len(report.failures)} failures",
            flush=True,
        )
        for failure in report.failures.values():
            kept = save_failure(failure, arguments.keep, name)
            print(f"\n{failure.what} ({failure.times:,} times; first: seed {arguments.seed}, input {failure.number})")
            print(f"{failure.trace}python -m tests.fuzz {name} --input {kept}\n", flush=True)
    minutes = (time.monotonic() - began) / 60
    print(f"{tried:,} inputs in {minutes:.1f} minutes, {failed} failures")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
