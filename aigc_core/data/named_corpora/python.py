"""`python`: the source files of the standard library of the Python that runs, without its tests."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from aigc_core.data.corpora import Corpus, NamedCorpus, named_corpora

LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "lib2to3"}


def read_standard_library() -> Corpus:
    """A document a file, in the order of their paths; what is no UTF-8 is left out."""
    root, documents = Path(sysconfig.get_paths()["stdlib"]), []
    for path in sorted(root.rglob("*.py")):
        if LEFT_OUT.isdisjoint(path.relative_to(root).parts):
            try:
                documents.append(path.read_bytes().decode())
            except (OSError, UnicodeDecodeError):
                continue
    source = f"the standard library of Python {sysconfig.get_python_version()}"
    return Corpus("python", documents, [0] * len(documents), licence="PSF-2.0", source=source)


named_corpora.register("python", NamedCorpus(read_standard_library))
