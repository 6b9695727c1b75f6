"""Start the local Hub by hand."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from . import LocalHub
from . import __doc__ as summary


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.local_hub", description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8400)
    parser.add_argument("--folder", type=Path, help="where to keep what is pushed; by default it is forgotten")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        with LocalHub(folder, port=arguments.port) as hub:
            settings = hub.environment(folder / "client")
            print(
                f"A local Hub at {hub.endpoint}, as the user ada (HF_TOKEN=hf_local_bob: bob); in another terminal:\n"
            )
            print("\n".join(f"export {name}={value}" for name, value in settings.items()))
            print("python -m aigc_core push checkpoints/mnist ada/mnist")
            print("python -m aigc_core list --owner ada")
            print("python -m aigc_core sample ada/mnist --seed 7 --num 16 --out pictures")
            print("python spaces/deploy.py demo ada/studio\n")
            print(f"A fault: curl -X POST {hub.endpoint}/faults -H 'content-type: application/json' \\")
            print('  -d \'{"pattern": "GET /storage", "cut_after": 1000}\'; all well again: curl -X DELETE …/faults')
            try:
                while hub.thread.is_alive():
                    hub.thread.join(1)
            except KeyboardInterrupt:
                print()


if __name__ == "__main__":
    main()
