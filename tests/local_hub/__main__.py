"""Start the local Hub by hand."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from aigc_core.errors import AIGCError
from aigc_core.terminal import run_program

from . import LocalHub
from . import __doc__ as summary


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.local_hub", description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8400)
    parser.add_argument("--folder", type=Path, help="where to keep what is pushed; by default it is forgotten")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as running:
        folder = arguments.folder or Path(scratch)
        try:
            hub = running.enter_context(LocalHub(folder, port=arguments.port))
        except (OSError, OverflowError) as error:
            raise AIGCError(
                f"Port {arguments.port} cannot be listened to ({error}); --port 0 takes one that is free."
            ) from None
        settings = hub.environment(folder / "client")
        print(f"A local Hub at {hub.endpoint}, as the user ada (HF_TOKEN=hf_local_bob: bob); in another terminal:\n")
        print("\n".join(f"export {name}={value}" for name, value in settings.items()))
        print("python -m aigc_core push checkpoints/mnist ada/mnist")
        print("python -m aigc_core list --owner ada")
        print("python -m aigc_core sample ada/mnist --seed 7 --count 16 --out pictures")
        print("python spaces/deploy.py demo ada/studio\n")
        print(f"A fault: curl -X POST {hub.endpoint}/faults -H 'content-type: application/json' \\")
        print('  -d \'{"pattern": "GET /storage", "cut_after": 1000}\'; all well again: curl -X DELETE …/faults')
        while hub.thread.is_alive():
            hub.thread.join(1)


if __name__ == "__main__":
    sys.exit(run_program(main, ""))
