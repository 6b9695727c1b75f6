"""`python -m aigc_core`."""

import io
import os
import sys
import warnings
from contextlib import suppress

from .cli import main
from .translation import environment_language, translate_warning


class Messages(io.TextIOWrapper):
    """Standard error on a full disk or with no one reading: no message is worth the work that it speaks of."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


# Without standard error, Python prints to standard output what was meant for it.
messages = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
sys.stderr = Messages(messages.buffer, encoding=messages.encoding, errors="backslashreplace", line_buffering=True)
if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors="backslashreplace")  # FID∞ in a narrow encoding
warnings.formatwarning = lambda message, *_, **__: f"warning: {translate_warning(message, environment_language())}\n"
sys.exit(main())
