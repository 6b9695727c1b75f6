"""`python`: functions and classes of the standard library of the Python that runs, without its tests."""

from __future__ import annotations

import ast
import sysconfig
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path

from aigc_core.data.corpora import Corpus, NamedCorpus, named_corpora

LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "lib2to3"}
LONGEST = 1200
"""Characters, about what a model takes in at once. Of a longer class the methods are read, longer functions are not."""


def definitions_of(source: str) -> Iterator[str]:
    """The functions and classes of a file, each with its decorators and from the left margin on, and the methods of
    long classes. Raises SyntaxError for what is no Python."""
    yield from _short_ones(ast.parse(source), source.splitlines(keepends=True))


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _short_ones(parent: ast.Module | ast.ClassDef, lines: list[str]) -> Iterator[str]:
    for node in parent.body:
        if isinstance(node, Definition):
            text = _text_of(node, lines)
            if len(text) <= LONGEST:
                yield text
            elif isinstance(node, ast.ClassDef):
                yield from _short_ones(node, lines)


def _text_of(node: Definition, lines: list[str]) -> str:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return textwrap.dedent("".join(lines[first - 1 : node.end_lineno])).rstrip() + "\n"


def read_standard_library() -> Corpus:
    """A document a definition, in the order of files' paths; what is no UTF-8 or no Python is left out.

    All of a file fall into the same split.
    """
    root, documents, origins = Path(sysconfig.get_paths()["stdlib"]), [], []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        if not LEFT_OUT.isdisjoint(name.parts):
            continue
        try:
            with warnings.catch_warnings(action="ignore"):  # of code that is odd on purpose
                found = list(definitions_of(path.read_bytes().decode().replace("\r\n", "\n")))
        except (OSError, UnicodeDecodeError, SyntaxError):
            continue
        documents += found
        origins += [name.as_posix()] * len(found)
    source = f"the standard library of Python {sysconfig.get_python_version()}"
    labels = [0] * len(documents)
    return Corpus("python", documents, labels, licence="PSF-2.0", source=source, origins=origins)


named_corpora.register("python", NamedCorpus(read_standard_library))
