"""What every program of a terminal does with its output, its errors and ^C."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable

from .errors import AIGCError, user_error
from .translation import environment_language, localised, translate_error


def run_program(program: Callable[[], int | None], interrupted: str = "Interrupted.") -> int:
    """Run a program to its end; returns its exit status.

    Characters that the terminal's encoding does not have are printed as "?". An AIGCError becomes one sentence on
    stderr, in the terminal's language, and status 2, as does a file that the system refuses; ^C becomes its own
    sentence, or else `interrupted`, and status 130; a reader that has seen enough, as `head` has, is no error.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        status = program() or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (AIGCError, OSError, UnicodeEncodeError) as error:
        if (known := user_error(error)) is None:
            raise
        print(f"error: {translate_error(known, environment_language())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        # Threads may still wait for an answer; a second ^C ends them without a word, from now on, as reading the
        # translations takes a moment.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        said = stop.args[0] if stop.args else interrupted
        print(localised(said), file=sys.stderr)
        return 130
