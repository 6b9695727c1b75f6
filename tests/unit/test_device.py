"""The choice of a device, from a cold start."""

import subprocess
import sys
from pathlib import Path

THREADS = 16


def test_threads_that_ask_at_once_get_one_device() -> None:
    """In a process of its own for each try, as Accelerate remembers."""
    script = (
        "import sys; sys.setswitchinterval(1e-6)\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from threading import Barrier\n"
        "import accelerate\n"
        "from accelerate.state import AcceleratorState\n"
        "from aigc_core.device import best_device\n"
        f"barrier, found = Barrier({THREADS}), set()\n"
        "def ask(_):\n"
        "    barrier.wait()\n"
        "    return best_device()\n"
        f"with ThreadPoolExecutor({THREADS}) as pool:\n"
        "    for _ in range(50):\n"
        "        AcceleratorState._reset_state(reset_partial_state=True)\n"
        f"        found |= set(pool.map(ask, range({THREADS})))\n"
        "print(*found)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() in (["cpu"], ["cuda"], ["mps"])
