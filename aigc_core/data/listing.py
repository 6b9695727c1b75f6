"""Finding the files of data in a folder, and telling what else lies there."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from aigc_core.errors import Sentence, joined

from .left_out import NAMED, and_others


def files_in(folder: Path, suffixes: Collection[str]) -> tuple[list[Path], Counter[str]]:
    """The files with one of the suffixes (in lower case) in a folder and all below it, sorted, and by kind how many
    others there are.

    Links are followed, but for those back to a folder above. Hidden files and folders count as others, as does what is
    no file and what may not be opened.
    """
    paths: list[Path] = []
    ignored: Counter[str] = Counter()
    above = {str(folder): frozenset([os.path.realpath(folder)])}

    def unopened(error: OSError) -> None:
        ignored[Sentence("folders that cannot be opened")] += 1

    for place, folders, files in os.walk(folder, followlinks=True, onerror=unopened):
        ancestors = above.pop(place)
        for name in [*folders]:
            path = os.path.join(place, name)
            real = os.path.realpath(path)
            if name.startswith("."):
                ignored[Sentence("hidden folders")] += 1
            elif real in ancestors:
                ignored[Sentence("links back to a folder above")] += 1
            else:
                above[path] = ancestors | {real}
                continue
            folders.remove(name)
        for name in files:
            path = os.path.join(place, name)
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith("."):
                ignored[Sentence("hidden files")] += 1
            elif os.path.isfile(path):
                if suffix in suffixes:
                    paths.append(Path(path))
                else:
                    ignored[suffix or Sentence("files without a suffix")] += 1
            elif os.path.exists(path):
                ignored[Sentence("pipes, sockets and devices")] += 1
            else:
                ignored[Sentence("links to nothing")] += 1
    return sorted(paths), ignored


def warn_of_others(
    said: Sentence, ignored: Counter[str], count: int, folder: Path, stacklevel: int, remedies: Mapping[str, str] = {}
) -> None:
    """Warn of what lies in a folder, or an archive, beside the `count` files that are used, if anything does.

    `said`: a sentence with places for the {folder}, the {count}, how many {others} there are, and their {kinds}.
    """
    if ignored:
        values = {"others": ignored.total(), "count": count, "folder": folder, "kinds": kinds(ignored, remedies)}
        warnings.warn(Sentence(said, **values), stacklevel=stacklevel + 1)


def kinds(ignored: Counter[str], remedies: Mapping[str, str]) -> str:
    """Counts by kind, the most frequent first, each with what makes it readable, if anything does."""
    named = joined(
        Sentence("{count:,} {kind} ({remedy})", count=count, kind=kind, remedy=remedies[kind])
        if kind in remedies
        else Sentence("{count:,} {kind}", count=count, kind=kind)
        for kind, count in ignored.most_common(NAMED)
    )
    others = ignored.total() - sum(count for _, count in ignored.most_common(NAMED))
    return and_others(named, others)
