"""The sentences that the code shows to users, and the catalogue of their translations.

python -m tests.catalogue adds new sentences to the catalogue, untranslated, and takes out those that are gone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from aigc_core.translation import CATALOGUE

ROOT = Path(__file__).parents[1]
KEYWORDS = {
    "AIGCError", "HubUnreachable", "NotOnHub", "SamplesAlone", "Sentence", "translate", "text", "word", "t", "Registry",
    "find",
}  # fmt: skip
"""Functions whose first argument is a sentence, or the choice between two."""
UNUSED_HEADERS = (b'"POT-', b'"PO-', b'"Report-', b'"Last-', b'"Language-Team', b'"Generated-')
"""Dates and addresses of a translator's office."""


def calls(path: Path) -> Iterator[ast.Call]:
    """The calls of KEYWORDS in a file of Python, in its order."""
    found = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    named = [node for node in found if isinstance(node.func, ast.Name) and node.func.id in KEYWORDS and node.args]
    yield from sorted(named, key=lambda node: (node.lineno, node.col_offset))


def sources() -> list[Path]:
    """The files whose sentences are translated."""
    return sorted(path for folder in ("aigc_core", "dashboard", "spaces") for path in (ROOT / folder).rglob("*.py")) + [
        ROOT / "app.py"
    ]


def extracted() -> dict[str, list[str]]:
    """Each sentence, with the files that have it."""
    sentences: dict[str, list[str]] = {}
    for path in sources():
        for call in calls(path):
            choices = [call.args[0].body, call.args[0].orelse] if isinstance(call.args[0], ast.IfExp) else call.args[:1]
            for choice in choices:
                if isinstance(choice, ast.Constant) and isinstance(choice.value, str):
                    files = sentences.setdefault(choice.value, [])
                    files.append(path.relative_to(ROOT).as_posix())
    return sentences


def stored() -> Catalog:
    """The catalogue as it is."""
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="zh")


def updated(old: Catalog) -> Catalog:
    """The catalogue for the sentences of the code, with the translations that there are."""
    new = Catalog(
        locale="zh", project="AIGC Studio", header_comment="# Simplified Chinese of AIGC Studio.", fuzzy=False
    )
    for sentence, files in extracted().items():
        known = old.get(sentence)
        new.add(sentence, known.string if known else "", locations=[(file, 0) for file in dict.fromkeys(files)])
    return new


def write(catalog: Catalog) -> None:
    """Write the catalogue without dates and line numbers, so that it changes with its sentences alone."""
    written = BytesIO()
    write_po(written, catalog, width=110, include_lineno=False)
    lines = [line for line in written.getvalue().splitlines(keepends=True) if not line.startswith(UNUSED_HEADERS)]
    CATALOGUE.write_bytes(b"".join(lines))


if __name__ == "__main__":
    write(updated(stored()))
    print("\n".join(f"No translation: {message.id}" for message in stored() if message.id and not message.string))
