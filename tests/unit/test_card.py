"""Model cards: what the library writes is renewed, what an owner writes stays, as the Hub's own parser reads it."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest
from huggingface_hub import ModelCard

from aigc_core.access import SHIPPED
from aigc_core.checkpoint.layout import CARD_FILE
from aigc_core.cli import main
from aigc_core.evaluation.evaluate import DEFAULT_NUM_SAMPLES, follows_default
from aigc_core.evaluation.results import Protocol, write_result
from aigc_core.hub.card import BEGIN, END, card_body, renewed_card, write_card
from tests.toy_models import toy_checkpoint
from tests.toy_results import toy_result

BY_HAND = "---\nlicense: cc-by-4.0\n---\n\n# My model\n\nDrawn for a friend.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toy_checkpoint().save_pretrained(tmp_path / "model")


def text_of(folder: Path) -> str:
    return (folder / CARD_FILE).read_bytes().decode()


def as_earlier_versions_wrote(folder: Path) -> str:
    """Without marks, without what to know of each figure."""
    text = text_of(folder).replace(f"{BEGIN}\n\n", "").replace(f"\n{END}\n", "")
    lines = [
        line.rsplit("|", 2)[0] + "|" if line.startswith("|") else line
        for line in text.splitlines()
        if "not measured" not in line
    ]
    return "\n".join(lines) + "\n"


def test_every_shipped_card_states_its_licences() -> None:
    cards = sorted(SHIPPED.glob(f"*/{CARD_FILE}"))
    assert len(cards) > 10
    for path in cards:
        card = ModelCard(path.read_text(encoding="utf-8"))
        assert card.data.license == "mit" and "Licence of the data: not known" not in card.text, path


def test_results_are_renewed_and_what_the_owner_wrote_stays(folder: Path) -> None:
    write_card(folder)
    card = ModelCard(text_of(folder))
    assert card.data.license == "unknown" and not card.data.eval_results
    owned = text_of(folder).replace("license: unknown", "license: mit\nco2: 3\nlanguage: zh")
    owned = owned.replace("tags:\n", "tags:\n- mine\n").replace("pipeline_tag: un", "pipeline_tag: text-to-image #")
    owned = owned.replace(BEGIN, f"My words before.\n\n{BEGIN}") + "\n## Thanks\n\nTo Ada.\n"
    (folder / CARD_FILE).write_text(owned)
    for fid in (2.5, 1.5):
        write_result(toy_result(fid), folder)
        write_card(folder)
    card = ModelCard(text_of(folder))
    assert (card.data.license, card.data.language, card.data["co2"]) == ("mit", "zh", 3)
    assert card.data.pipeline_tag == "text-to-image" and {"mine", "aigc-studio", "gan"} <= set(card.data.tags or [])
    assert [found.metric_value for found in card.data.eval_results or [] if found.metric_type == "fid"] == [1.5]
    assert card.text.startswith(f"\nMy words before.\n\n{BEGIN}") and card.text.endswith("\n## Thanks\n\nTo Ada.\n")
    assert card.text.count("| FID | 1.5 |") == 1 and "2.5" not in card.text


def test_results_of_others_stay(folder: Path) -> None:
    write_result(toy_result(1.5), folder)
    write_card(folder)
    card = ModelCard(text_of(folder))
    other = (card.data.eval_results or [])[0]
    other.metric_type, other.metric_value, other.metric_args = "beauty", 9, None
    card.save(folder / CARD_FILE)
    write_card(folder)
    found = {entry.metric_type: entry.metric_value for entry in ModelCard(text_of(folder)).data.eval_results or []}
    assert found["beauty"] == 9 and found["fid"] == 1.5


@pytest.mark.parametrize(
    "text",
    [
        BY_HAND,
        "No front matter.\n",
        "---\ntags: [\n---\n\nMetadata that nobody can read.\n",
        f"---\nlicense: mit\n---\n{BEGIN}\nA mark that is never closed.\n",
        "---\nmodel-index: none\n---\n\nText.\n",
    ],
)
def test_a_card_by_hand_is_left_alone(text: str, folder: Path) -> None:
    (folder / CARD_FILE).write_text(text)
    write_result(toy_result(1.5), folder)
    write_card(folder)
    assert text_of(folder) == text and renewed_card(folder, "ada/toy") is None
    (folder / CARD_FILE).write_bytes(b"\xff not UTF-8")
    write_card(folder)
    assert (folder / CARD_FILE).read_bytes() == b"\xff not UTF-8"


def test_marks_in_a_card_by_hand_are_where_figures_go(folder: Path) -> None:
    (folder / CARD_FILE).write_text(f"{BY_HAND}\n{BEGIN}\n{END}\n")
    write_result(toy_result(1.5), folder)
    write_card(folder)
    assert "Drawn for a friend." in text_of(folder) and "| FID | 1.5 |" in text_of(folder)
    assert ModelCard(text_of(folder)).data.license == "cc-by-4.0"


def test_a_byte_order_mark_and_foreign_line_ends_change_nothing(folder: Path) -> None:
    write_card(folder)
    changed = text_of(folder).replace("license: unknown", "license: mit").replace("\n", "\r\n")
    (folder / CARD_FILE).write_bytes(b"\xef\xbb\xbf" + changed.encode())
    write_card(folder)
    assert ModelCard(text_of(folder)).data.license == "mit"
    assert text_of(folder).count("\n") == text_of(folder).count("\r\n")
    assert not card_body(folder / CARD_FILE).lstrip().startswith("-") and BEGIN not in card_body(folder / CARD_FILE)


def test_what_earlier_versions_wrote_is_the_librarys(folder: Path) -> None:
    write_result(toy_result(2.5), folder)
    write_card(folder)
    earlier = as_earlier_versions_wrote(folder).replace("license: unknown", "license: mit")
    write_result(toy_result(1.5), folder)
    (folder / CARD_FILE).write_text(earlier)
    write_card(folder)
    assert (
        text_of(folder).count(BEGIN) == 1 and "| FID | 1.5 |" in text_of(folder) and "license: mit" in text_of(folder)
    )
    # One word of the owner's makes it the owner's.
    for theirs in (earlier + "\nTo Ada.\n", earlier.replace("## Limits\n", "## Limits\n\nIt hates sevens.\n")):
        (folder / CARD_FILE).write_text(theirs)
        write_card(folder)
        assert text_of(folder) == theirs


def test_shipped_cards_are_up_to_date() -> None:
    for card in sorted(Path(__file__).parents[2].glob("checkpoints/**/README.md")):
        assert renewed_card(card.parent) == card.read_text(encoding="utf-8"), card


def test_export_keeps_an_owners_card(folder: Path, tmp_path: Path) -> None:
    (folder / CARD_FILE).write_text(BY_HAND)
    step = folder.rename(folder.parent / "step-0000001")
    run = tmp_path / "run"
    run.mkdir()
    step.rename(run / step.name)
    assert main(["export", str(run), str(tmp_path / "shipped")]) == 0
    assert text_of(tmp_path / "shipped") == BY_HAND


@pytest.mark.parametrize("linked", [False, True])
def test_what_replaces_a_checkpoint_leaves_what_is_its_owners(folder: Path, linked: bool, tmp_path: Path) -> None:
    """By export, and by `save_pretrained`; also where the destination is a link."""
    shipped = tmp_path / "shipped"
    copytree(folder, tmp_path / "elsewhere" if linked else shipped)
    if linked:
        shipped.symlink_to(tmp_path / "elsewhere")
    (shipped / CARD_FILE).write_text(BY_HAND)
    (shipped / "notes").mkdir()
    (shipped / "notes" / "why.txt").write_text("because")
    (shipped / "paper.pdf").write_bytes(b"%PDF")
    (tmp_path / "private").touch(0o600)
    (shipped / "private").symlink_to(tmp_path / "private")
    (shipped / "lost").symlink_to(tmp_path / "nowhere")
    (shipped / "eval").mkdir(exist_ok=True)
    (shipped / "eval" / "old.json").write_text("{}")  # of the weights that were there
    assert main(["export", str(folder), str(shipped)]) == 0
    toy_checkpoint().save_pretrained(shipped)
    assert text_of(shipped) == BY_HAND and shipped.is_symlink() == linked
    assert (shipped / "notes" / "why.txt").read_text() == "because" and (shipped / "paper.pdf").is_file()
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600 and (shipped / "private").is_symlink()
    assert (shipped / "lost").is_symlink()
    assert not (shipped / "eval" / "old.json").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"num_samples": DEFAULT_NUM_SAMPLES - 1}, False),
        ({"split": "train"}, False),
        ({"dataset": "fashion-mnist"}, False),
        ({"extractor": "cifar10-classifier"}, False),
    ],
)
def test_only_the_default_protocol_renews_a_card(change: dict, expected: bool) -> None:
    config = toy_checkpoint().config.model_copy(update={"dataset": "mnist"})
    values = toy_result(1.0).protocol.model_dump() | {
        "dataset": "mnist",
        "extractor": "mnist-classifier",
        "num_samples": DEFAULT_NUM_SAMPLES,
    }
    assert follows_default(Protocol(**values | change), config) is expected
