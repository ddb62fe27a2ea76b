"""docs/DATASET.md says exactly what the code writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dataset_builder.card import SPLIT_RULE
from dataset_builder.next_edit import Skip
from dataset_builder.replay import Broken, Ended
from dataset_builder.tables import NEXT_EDIT, TABLES
from event_model.events import GapReason

TEXT = (Path(__file__).parents[2] / "docs/DATASET.md").read_text()


def _rows(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head."""
    section = re.split(r"^#+ ", TEXT.split(f"# {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_documented_with_type_unit_and_meaning(table: str) -> None:
    written = [[f"`{c.name}`", c.type_name, c.unit, c.meaning] for c in TABLES[table]]
    assert _rows(f"`{table}`") == written


def test_every_key_of_the_examples_is_documented() -> None:
    assert _rows("`next_edit`") == [[f"`{name}`", kind, meaning] for name, kind, meaning in NEXT_EDIT]


def test_every_word_of_the_columns_is_explained() -> None:
    for word in (*Ended, *Broken, *Skip, *GapReason):
        assert f"`{word.value}`" in TEXT, word


def test_the_rule_of_the_splits_is_the_one_in_the_card() -> None:
    assert " ".join(SPLIT_RULE.split()) in " ".join(TEXT.split())


CODES = [
    "not-a-segment", "object-too-large", "object-unreadable", "envelope-malformed", "envelope-version",
    "signature-invalid", "decrypt-failed", "foreign-study", "foreign-recipient", "misplaced", "segment-malformed",
    "header-mismatch", "mask-invalid", "sequence-overlap", "index-overlap", "chain-broken",
    "findings-too-many", "finding-conflict",
]  # fmt: skip


def test_every_problem_has_an_explanation() -> None:
    for code in CODES:
        assert f"`{code}`" in TEXT, code
    source = "".join(path.read_text() for path in (Path(__file__).parents[2] / "dataset_builder").glob("*.py"))
    raised = set(re.findall(r'code="([a-z-]+)"', source))
    assert raised - set(re.findall(r"`([a-z-]+)`", TEXT)) == set()
