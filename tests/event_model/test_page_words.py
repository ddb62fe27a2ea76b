"""The words that describe elements: the vectors that the extension's own tests run as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from event_model.page_events import Element, OutlineNode
from event_model.page_words import OTHER_TAG, TAGS, Role, State, is_known_path

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "words.json").read_text("utf-8"))


def test_the_words_are_those_of_the_vectors() -> None:
    assert sorted(get_args(Role)) == VECTORS["roles"]
    assert sorted(get_args(State)) == VECTORS["states"]
    assert sorted(TAGS) == VECTORS["tags"]


@pytest.mark.parametrize(("written", "kept"), VECTORS["role_kept"].items())
def test_only_a_role_that_there_is_can_be_read(written: str, kept: str) -> None:
    for field in ("role", "context_role"):
        assert getattr(msgspec.convert({field: kept}, Element), field) == kept
        if written != kept:
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert({field: written}, Element)
    if written != kept:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"depth": 0, "role": written}, OutlineNode)


def test_only_a_state_that_there_is_can_be_read() -> None:
    assert msgspec.convert({"depth": 0, "states": VECTORS["states"]}, OutlineNode).states == tuple(VECTORS["states"])
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"depth": 0, "states": ["patient-jones"]}, OutlineNode)


def test_a_path_is_made_of_known_tags_and_marks() -> None:
    for path in VECTORS["paths"]:
        assert is_known_path(path), path
    for path in VECTORS["paths_refused"]:
        assert not is_known_path(path), path
    for name, kept in VECTORS["tag_kept"].items():
        assert (name if name in TAGS else OTHER_TAG) == kept
        assert is_known_path(f"{name}:1") == (name == kept)
