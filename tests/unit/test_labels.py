r"""Classes in a request: every class has an entry that means it alone, whatever its name."""

from __future__ import annotations

import re
from pathlib import Path
from unicodedata import normalize

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from aigc_core import AIGCError, SampleRequest
from aigc_core.cli import main
from aigc_core.demo import chosen
from aigc_core.demo.mix import parts_of_blend
from aigc_core.escaping import escape, split_escaped, unescape
from aigc_core.modalities.png import read_png
from aigc_core.sampling.labels import class_entries, join_entries, mix_entry, parse_labels, split_entries
from aigc_core.sampling.sample import sample
from tests.toy_models import CLASS_NAMES, toy_checkpoint

awkward = st.text(st.sampled_from("\\,+:0123 \t\nAaß\u00e9e\u0301\u212b")) | st.text(
    st.characters(exclude_categories=["Cs"])
)
names_of_classes = st.lists(awkward, min_size=1, max_size=12).map(tuple)


def classes_of(text: str, names: tuple[str, ...], num_classes: int | None = None) -> list[list[float]]:
    return parse_labels(text, names, len(names) if num_classes is None else num_classes).tolist()


def one_hot(label: int, num_classes: int) -> list[float]:
    return torch.eye(num_classes)[label].tolist()


def test_labels_by_number_name_and_mix() -> None:
    rows = parse_labels("2, bag ,Bag:3+Coat:1,0:0.2+0:0.2,Bag : 1 + Coat: 1", CLASS_NAMES, 3)
    expected = [[0, 0, 1], [0, 1, 0], [0, 0.75, 0.25], [1, 0, 0], [0, 0.5, 0.5]]
    assert torch.allclose(rows, torch.tensor(expected))


@pytest.mark.parametrize(
    "text",
    [
        "Hat",
        "3",
        "-1",
        "٣",
        "9" * 5000,
        "0" * 5000 + "3",
        "0:",
        "0:x",
        "0:-1",
        "0:nan",
        "0:inf",
        ",",
        "0+",
        r"\0",
        "\\",
    ],
)
def test_labels_that_do_not_exist(text: str) -> None:
    with pytest.raises(AIGCError):
        parse_labels(text, CLASS_NAMES, 3)


@pytest.mark.parametrize(
    "names",
    [
        ("1", "2", "3+"), ("+1", "-1", "0"), ("x,y", "0", "1"), (" e", "0", "x"), ("", "0", "x"), ("", "0", "00"),
        ("a", "A", "b"), ("x,y", "z:1", "c+d"), ("a", "a", "0"), ("a\\", "b", "a,b"), ("a\\b", "a\\\\b", "a\\\\\\b"),
        (), ("only one",),
    ],
)  # fmt: skip
def test_every_class_has_an_entry_of_its_own(names: tuple[str, ...]) -> None:
    entries = class_entries(names, 3)
    assert classes_of(join_entries(entries), names, 3) == torch.eye(3).tolist()


@given(names_of_classes)
def test_entries_of_any_names_are_read_back(names: tuple[str, ...]) -> None:
    entries, count = class_entries(names, len(names)), len(names)
    assert classes_of(join_entries(entries), names) == torch.eye(count).tolist()
    request = SampleRequest(count=count, labels=join_entries(entries))
    again = SampleRequest.from_canonical(request.canonical())
    assert again == request and [single.labels for single in again.singles()] == entries
    assert request.canonical_singles() == [single.canonical() for single in request.singles()]
    mix = mix_entry((entry, label + 1) for label, entry in enumerate(entries))
    weights = torch.arange(1.0, count + 1)
    assert torch.allclose(parse_labels(mix, names, count), weights / weights.sum())


@given(st.lists(awkward, min_size=1), st.sampled_from([",", ",+:", "|"]))
def test_escaped_names_are_read_back(names: list[str], separators: str) -> None:
    joined = f" {separators[0]} ".join(escape(name, separators) for name in names)
    assert [unescape(part, separators) for part in split_escaped(joined, separators[0])] == names


@given(names_of_classes, st.data())
def test_composed_and_decomposed_forms_of_a_name_are_one(names: tuple[str, ...], data: st.DataObject) -> None:
    names = tuple({normalize("NFC", name): None for name in names})
    typed = [normalize(data.draw(st.sampled_from(["NFC", "NFD"])), entry) for entry in class_entries(names, len(names))]
    assert classes_of(join_entries(typed), names) == torch.eye(len(names)).tolist()


def classes_before_there_was_escaping(text: str, names: tuple[str, ...]) -> list[dict[int, float]]:
    """What links, PNG files and sample grids meant until then: the old reading, kept as it was."""
    spellings = [{spelt(name): label for label, name in enumerate(names)} for spelt in (str, str.casefold)]
    entries = []
    for entry in text.split(","):
        weights: dict[int, float] = {}
        for part in entry.split("+"):
            name, _, weight = part.strip().rpartition(":") if ":" in part else (part.strip(), "", "1")
            label = spellings[0].get(name, spellings[1].get(name.casefold()))
            label = int(name) if label is None and re.fullmatch("[0-9]{1,5}", name) else label
            weights[label if label is not None and label < len(names) else -1] = float(weight)
        entries.append(weights)
    return entries


@given(
    st.lists(awkward, min_size=1, max_size=9, unique_by=lambda name: normalize("NFC", name.casefold())).map(tuple),
    st.data(),
)
def test_links_from_before_there_was_escaping_mean_what_they_meant(names: tuple[str, ...], data: st.DataObject) -> None:
    written = [
        str(label) if not name or set(name) & set(",+:") or name != name.strip() else name
        for label, name in enumerate(names)
    ]
    part = st.tuples(st.sampled_from(written), st.sampled_from(["", ":0.25", ":3"])).map("".join)
    text = ",".join("+".join(parts) for parts in data.draw(st.lists(st.lists(part, min_size=1), min_size=1)))
    assume("\\" not in text)  # the next test has it
    meant = classes_before_there_was_escaping(text, names)
    found = parse_labels(text, names, len(names))
    assert [row.nonzero().flatten().tolist() for row in found] == [sorted(weights) for weights in meant]


def test_a_backslash_in_a_link_from_before_there_was_escaping() -> None:
    names = (r"a\b", r"c\\d", r"\e", r"f\ g", "\\")
    assert classes_of(",".join(names), names) == torch.eye(5).tolist()


def test_what_is_typed_is_found_in_letters_of_either_case() -> None:
    names = ("Straße", "İstanbul", "Ὀδυσσεύς", "\u00c5land")
    for typed, label in {"STRASSE": 0, "i\u0307STANBUL": 1, "ὈΔΥΣΣΕΎΣ": 2, "a\u030aLAND": 3, "\u212bland": 3}.items():
        assert classes_of(typed, names) == [one_hot(label, 4)], typed


def test_the_classes_that_there_are_can_be_typed_as_they_are_told() -> None:
    names = ("x,y", "3+", "Bag")
    with pytest.raises(AIGCError, match="no class 'x'") as caught:
        parse_labels("x,y", names, 3)
    told = str(caught.value).rpartition("the classes are ")[2].removesuffix(".")
    assert classes_of(told, names) == torch.eye(3).tolist()


def test_a_class_of_an_awkward_name_is_drawn_and_its_picture_made_again(tmp_path: Path) -> None:
    checkpoint = toy_checkpoint()
    checkpoint.config = checkpoint.config.model_copy(update={"class_names": ("1", "2", "3+")})
    folder = checkpoint.save_pretrained(tmp_path / "model")
    drawn, picture = tmp_path / "drawn", tmp_path / "drawn" / "seed-7.png"
    assert main(["sample", str(folder), "--label", r"3\+,2", "--seed", "7", "--num", "2", "--out", str(drawn)]) == 0
    expected = sample(checkpoint, SampleRequest(seed=7, labels="002")).images[0]
    pixels, provenance = read_png(picture)
    assert SampleRequest.from_canonical(provenance.request).labels == r"3\+"
    assert (pixels.int() - expected.int()).abs().max() <= 1
    assert main(["inspect", str(picture)]) == 0


def test_a_blend_in_an_address_keeps_its_classes() -> None:
    config = toy_checkpoint().config.model_copy(update={"class_names": ("1", "x,y", "3+")})
    assert parts_of_blend(r"x\,y:0.25+3\+:1", config) == ([r"x\,y", r"3\+"], [0.25, 1.0])
    assert parts_of_blend("001:0.5+1:1", config) == ([r"x\,y", "1"], [0.5, 1.0])
    for text in ("", "Hat:1", "1:2", "1:1+Hat:1", "1:-1", "1:1+01:1+3\\+:1+2:1+x:1"):
        assert parts_of_blend(text, config) == (["1", r"x\,y"], [1.0, 1.0])


def test_entries_are_split_where_no_backslash_stands() -> None:
    assert split_entries(r" a\,b , c\ ,\\,d\+e:0.5+f ") == [r"a\,b", r"c\ ", "\\\\", r"d\+e:0.5+f"]


def test_samples_are_named_by_their_class_or_by_their_mix_of_classes() -> None:
    checkpoint = toy_checkpoint("dcgan")
    assert chosen.classes_of(checkpoint, SampleRequest(count=3, labels="2,Bag:0.7+Coat:0.3")) == [
        "Coat",
        "Bag:0.7+Coat:0.3",
        "Coat",
    ]
    drawn = SampleRequest(seed=4, count=8)
    labels = sample(checkpoint, drawn).labels.argmax(1)
    assert chosen.classes_of(checkpoint, drawn) == [CLASS_NAMES[label] for label in labels]
    assert chosen.captions(checkpoint, drawn)[0] == f"Seed 4 · {CLASS_NAMES[labels[0]]}"
    without = toy_checkpoint("mlp")
    assert chosen.classes_of(without, drawn) == [] and chosen.captions(without, drawn)[7] == "Seed 11"
