"""How long and how much memory precision, recall, density and coverage take.

    python -m tests.benchmarks.neighbours [--count 50000] [--features 2048]

Peak memory is that of the whole process. All distances at once would take 4 · count² bytes, three times.
"""

from __future__ import annotations

import argparse
import resource
import time

import torch

from aigc_core.metrics.neighbours import neighbourhoods


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure neighbour searches.")
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=2048)
    arguments = parser.parse_args()
    draw = torch.Generator().manual_seed(0)
    generated, real = (torch.randn(arguments.count, arguments.features, generator=draw) for _ in range(2))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    neighbourhoods(generated, real, 3, 5)
    seconds, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{arguments.count:,} against {arguments.count:,}, {arguments.features:,} features: {seconds:.1f} s")
    print(f"peak memory {peak / 2**20:.2f} GiB, {(peak - before) / 2**20:.2f} GiB of it for the search")


if __name__ == "__main__":
    main()
