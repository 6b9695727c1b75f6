r"""Classes in a request: "3", "Bag,Coat", "Bag:0.7+Coat:0.3".

    labels = entry {"," entry}    one an image, in turn
    entry  = part {"+" part}      a weighted mix of classes
    part   = class [":" weight]   1 where no weight is given
    class  = a name or a number

A backslash before a separator makes it part of a name (see `aigc_core.escaping`): `3\+` is the class 3+. What is both
the name of one class and the number of another is the name; a number may begin with zeros. The Unicode forms NFC and
NFD of a name are one name, and upper and lower case are one where no class is written exactly so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import count
from unicodedata import normalize

import torch
from torch import Tensor

from aigc_core.errors import AIGCError
from aigc_core.escaping import escape, split_escaped, trim, unescape

SEPARATORS = ",+:"


def class_entries(class_names: Sequence[str], num_classes: int) -> list[str]:
    """The entry of each class: its name, or its number where the name is missing or is a later class's, too."""
    labels = {name: label for label, name in enumerate(class_names)}

    def entry(label: int) -> str:
        name = class_names[label] if label < len(class_names) else ""
        if name and labels[name] == label:
            return escape(name, SEPARATORS)
        return next(number for width in count(1) if (number := f"{label:0{width}}") not in labels)

    return [entry(label) for label in range(num_classes)]


def split_entries(labels: str) -> list[str]:
    """The entries of `labels`."""
    return [trim(entry) for entry in split_escaped(labels, ",")]


def join_entries(entries: Iterable[str]) -> str:
    """`labels` of entries."""
    return ",".join(entries)


def mix_entry(parts: Iterable[tuple[str, float]]) -> str:
    """The entry that mixes classes, each given by its own entry and its weight."""
    return "+".join(f"{entry}:{weight:g}".replace("e+", "e") for entry, weight in parts)


def split_mix(entry: str) -> list[tuple[str, str]]:
    """Each class in an entry, as an entry of its own, and its weight as text."""
    parts = []
    for part in split_escaped(entry, "+"):
        *name, weight = split_escaped(part, ":")
        if not name:
            name, weight = [part], "1"
        parts.append((":".join(name), weight))
    return parts


def class_in(entry: str) -> str:
    """The name or number of the one class that an entry names, no longer escaped."""
    return unescape(entry, SEPARATORS)


class ClassIndex:
    """The classes of a model, to be found by what an entry calls them."""

    def __init__(self, class_names: Sequence[str], num_classes: int) -> None:
        self.num_classes = num_classes
        self._labels = {
            form: {form(name): label for label, name in enumerate(class_names)} for form in (str, _composed, _caseless)
        }

    def find(self, entry: str) -> int | None:
        """The number of the class that an entry names; None if there is none."""
        # Links from before there was escaping hold a name with a backslash as it is.
        found = (self._label(name) for name in (class_in(entry), entry.strip()))
        label = next((label for label in found if label is not None), None)
        return label if label is not None and label < self.num_classes else None

    def _label(self, name: str) -> int | None:
        for form, labels in self._labels.items():
            if (label := labels.get(form(name))) is not None:
                return label
        number = re.fullmatch("0*([0-9]{1,5})", name)
        return int(number.group(1)) if number else None


def parse_labels(text: str, class_names: Sequence[str], num_classes: int) -> Tensor:
    """Class weights float32 [number of entries, num_classes] of a request's `labels`.

    Raises AIGCError for a class that does not exist or weights that do not sum to something positive.
    """
    if not num_classes:
        raise AIGCError("This model has no classes; leave the label empty.")
    entries, classes = split_entries(text), ClassIndex(class_names, num_classes)
    rows = torch.zeros(len(entries), num_classes)
    for row, entry in zip(rows, entries):
        for part, weight in split_mix(entry):
            label = classes.find(part)
            if label is None:
                known = ", ".join(class_entries(class_names, num_classes)) if class_names else f"0 to {num_classes - 1}"
                raise AIGCError(
                    "There is no class '{name}'; the classes are {known}.", name=class_in(part)[:100], known=known
                )
            try:
                row[label] += float(weight)
            except ValueError:
                raise AIGCError("'{weight}' is not a weight; write a mix as 0:0.7+3:0.3.", weight=weight) from None
        if not (torch.isfinite(row).all() and (row >= 0).all() and row.sum() > 0):
            raise AIGCError("The weights of '{entry}' must be positive numbers.", entry=entry)
    return rows / rows.sum(1, keepdim=True)


def _composed(name: str) -> str:
    return normalize("NFC", name)


def _caseless(name: str) -> str:
    """Equal for names that match without regard to case (Unicode Standard, section 3.13, D145)."""
    return normalize("NFD", normalize("NFD", name).casefold())
