"""Both languages say the same things, and nothing that the product says is without words."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest
from markupsafe import Markup

from capture_gate.decision import SENTENCES
from consent_ledger.manifest import _ASKS_MORE, CONTROL_KINDS
from consent_ledger.verdict import REFUSALS
from event_model.events import GapReason, Origin
from event_model.registry import REGISTRY
from local_store.model import SegmentState
from overt.review.texts import LANGUAGES, Texts, load

TEMPLATES = Path(__file__).parents[2] / "overt" / "review" / "templates"


def test_every_language_has_every_text_with_the_same_places() -> None:
    english = load("en")
    for language in LANGUAGES:
        texts = load(language)
        assert texts.keys() == english.keys()
        for key, text in texts.items():
            places = {name for _, name, _, _ in Formatter().parse(text) if name}
            assert places == {name for _, name, _, _ in Formatter().parse(english[key]) if name}, key


def test_german_is_not_english() -> None:
    same = {key for key, text in load("de").items() if text == load("en")[key] and len(text) > 12 and "{" not in text}
    assert same <= {"settings.language_auto"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_reason_and_state_has_words(language: str) -> None:
    t = Texts(language)
    for code in {*REFUSALS, "no-consent", "paused"}:
        assert code in SENTENCES
        assert t.has("refusal." + code), code
    for reason in GapReason:
        assert t.has("gap." + reason.value), reason
    for origin in Origin:
        if origin is not Origin.UNKNOWN:
            assert t.has("event.wrote_" + origin.value)
        assert t.has("film.do_" + origin.value)
    for state in SegmentState:
        assert t.has("state." + state.value)
    for kind in REGISTRY:
        assert t.has("kinds." + kind) or kind in CONTROL_KINDS, kind
    for field in _ASKS_MORE:
        if field not in {"title", "version"}:
            assert t.has("field." + field), field


def test_templates_name_only_texts_that_exist() -> None:
    t = Texts("en")
    named = set()
    for path in TEMPLATES.glob("*.html"):
        named |= set(re.findall(r"""\bt\(["']([a-z_.0-9]+)["']""", path.read_text("utf-8")))
    assert len(named) > 100
    for key in named:
        assert key.endswith((".", "_")) or t.has(key) or t.has(key + ".one"), key


def test_values_are_escaped_and_markup_stays() -> None:
    t = Texts("en")
    assert t("entry.opened", name="<script>") == "You opened &lt;script&gt;"
    assert t("entry.opened", name=Markup("<b>x</b>")) == "You opened <b>x</b>"
    assert t("word.events", n=1) == "1 event"
    assert Texts("de")("word.events", n=12_345) == "12.345 Ereignisse"
