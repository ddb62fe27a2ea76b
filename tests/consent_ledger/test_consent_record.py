"""The consent record: its states, its signature, and the verdict that follows from it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consent_ledger.manifest import StudyManifest, notice_digest, read_manifest
from consent_ledger.record import (
    CONSENT_RECORD,
    TRANSITIONS,
    ConsentAct,
    ConsentRecord,
    ConsentState,
    make_record,
    sign_record,
    transition,
    verify_record,
)
from consent_ledger.verdict import CLOCK_TOLERANCE_MS, REFUSALS, changes_ms, refusal_of
from event_model.errors import ConsentError, KeyUnavailable, OvertError, RecordError, SignatureError
from event_model.ids import Pseudonym, RecordId
from event_model.keys import SigningKey, encode_key, pseudonym_of
from event_model.levels import Level
from event_model.signed import Signed, sign_document
from tests.consent_ledger.consent_kit import DAY_MS, NOW_MS, seed

KEY = SigningKey(seed("participant"))


@pytest.fixture(scope="session")
def study(signed: bytes) -> Signed[StudyManifest]:
    return read_manifest(signed)


@pytest.fixture(scope="session")
def record(study: Signed[StudyManifest]) -> ConsentRecord:
    return make_record(
        study,
        verify_key=KEY.verify_key,
        record_id=RecordId("a" * 32),
        given_ms=NOW_MS,
        levels=study.payload.levels,
        narrowing="b" * 64,
    )


def test_record_says_what_was_agreed_to(record: ConsentRecord, study: Signed[StudyManifest]) -> None:
    assert record.pseudonym == pseudonym_of(KEY.verify_key)
    assert (record.manifest_digest, record.notice_digest) == (study.digest, study.payload.notice_digest)
    assert (record.state, record.given_ms, record.expires_ms) == (ConsentState.GIVEN, NOW_MS, study.payload.end_ms)
    assert record.withdrawn_ms is None


def test_record_never_outlives_the_study(study: Signed[StudyManifest], record: ConsentRecord) -> None:
    kept = {"verify_key": KEY.verify_key, "record_id": record.record_id, "given_ms": NOW_MS, "narrowing": "b" * 64}
    for asked, given_until in ((NOW_MS + 1, NOW_MS + 1), (study.payload.end_ms + 1, study.payload.end_ms)):
        made = make_record(study, levels={}, expires_ms=asked, **kept)
        assert made.expires_ms == given_until


def test_signed_record_reads_back(record: ConsentRecord) -> None:
    signed = verify_record(sign_record(record, KEY))
    assert signed.payload == record
    assert signed.key == KEY.verify_key


# States ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "act"), list(itertools.product(ConsentState, ConsentAct)))
def test_only_the_tables_transitions_exist(record: ConsentRecord, state: ConsentState, act: ConsentAct) -> None:
    before = replace(record, state=state, changed_ms=None if state is ConsentState.GIVEN else NOW_MS + 1)
    if (state, act) in TRANSITIONS:
        after = transition(before, act, at_ms=NOW_MS + 2)
        assert (after.state, after.changed_ms) == (TRANSITIONS[state, act], NOW_MS + 2)
        assert after.withdrawn_ms == (NOW_MS + 2 if after.state is ConsentState.WITHDRAWN else None)
    else:
        with pytest.raises(ConsentError) as caught:
            transition(before, act, at_ms=NOW_MS + 2)
        assert caught.value.code == "no-such-act"


def test_nothing_leads_back_to_given_and_final_states_stay() -> None:
    assert ConsentState.GIVEN not in TRANSITIONS.values()
    final = {ConsentState.WITHDRAWN, ConsentState.SUPERSEDED}
    assert not final & {state for state, _ in TRANSITIONS}


@given(st.lists(st.sampled_from(ConsentAct), max_size=6))
def test_no_row_of_acts_revives_a_record(record: ConsentRecord, acts: list[ConsentAct]) -> None:
    for act in acts:
        try:
            record = transition(record, act, at_ms=NOW_MS)
        except ConsentError:
            continue
        assert record.state is not ConsentState.GIVEN


def test_clock_set_back_does_not_break_a_withdrawal(record: ConsentRecord) -> None:
    assert transition(record, ConsentAct.WITHDRAW, at_ms=0).withdrawn_ms == NOW_MS


# Tampering ------------------------------------------------------------------------------------------------------------


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value


def test_every_field_of_a_signed_record_is_guarded(record: ConsentRecord) -> None:
    withdrawn = sign_record(transition(record, ConsentAct.WITHDRAW, at_ms=NOW_MS + 5), KEY)
    leaves = list(_leaves(msgspec.json.decode(withdrawn)["payload"]))
    assert {path[0] for path, _ in leaves} == set(ConsentRecord.__struct_fields__)
    for path, value in leaves:
        tampered = msgspec.json.decode(withdrawn)
        place = tampered["payload"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value + 1 if isinstance(value, int) else value[:-1] + ("b" if value[-1] != "b" else "c")
        with pytest.raises((SignatureError, RecordError)):
            verify_record(msgspec.json.encode(tampered))


def test_withdrawn_record_turned_back_to_given_is_refused(record: ConsentRecord) -> None:
    document = msgspec.json.decode(sign_record(transition(record, ConsentAct.WITHDRAW, at_ms=NOW_MS), KEY))
    document["payload"] |= {"state": "given", "changed_ms": None}
    with pytest.raises(SignatureError):
        verify_record(msgspec.json.encode(document))


def test_record_signed_by_another_key_is_refused(record: ConsentRecord) -> None:
    stranger = SigningKey(seed("stranger"))
    with pytest.raises(RecordError, match="another key"):
        verify_record(sign_document(CONSENT_RECORD, record, stranger))
    with pytest.raises(KeyUnavailable):
        sign_record(record, stranger)


def test_record_under_anothers_pseudonym_cannot_be_made(record: ConsentRecord) -> None:
    with pytest.raises(RecordError, match="fingerprint"):
        replace(record, pseudonym=Pseudonym("a" * 32))
    document = msgspec.to_builtins(record)
    document["pseudonym"] = "a" * 32
    forged: Any = msgspec.defstruct("Forged", [(name, Any) for name in document])(**document)
    with pytest.raises(RecordError, match="fingerprint"):
        verify_record(sign_document(CONSENT_RECORD, forged, KEY))


@pytest.mark.parametrize(
    "change",
    [
        {"record_id": "x"},
        {"record_id": "A" * 32},
        {"study": "../x"},
        {"manifest_digest": "x"},
        {"notice_digest": ""},
        {"narrowing": "B" * 64},
        {"verify_key": "AAAA"},
        {"study_key": "?"},
        {"levels": {"no.kind": Level.SHAPE}},
        {"study_version": 0},
        {"retention_days": 0},
        {"expires_ms": NOW_MS},
        {"changed_ms": NOW_MS},
        {"state": ConsentState.WITHDRAWN},
        {"state": ConsentState.WITHDRAWN, "changed_ms": NOW_MS - 1},
        {"schema_version": 2},
    ],
    ids=str,
)
def test_record_whose_fields_disagree_cannot_be_made(record: ConsentRecord, change: dict[str, Any]) -> None:
    with pytest.raises(RecordError):
        replace(record, **change)


@given(st.binary(max_size=200))
def test_any_bytes_as_record_give_a_record_error(data: bytes) -> None:
    with pytest.raises(RecordError):
        verify_record(data)


@given(st.data())
def test_one_changed_byte_never_passes_as_another_record(record: ConsentRecord, data: st.DataObject) -> None:
    signed = sign_record(record, KEY)
    place = data.draw(st.integers(0, len(signed) - 1))
    changed = signed[:place] + bytes([data.draw(st.integers(0, 255))]) + signed[place + 1 :]
    with contextlib.suppress(OvertError):
        assert verify_record(changed).payload == record


# The verdict ----------------------------------------------------------------------------------------------------------

VERDICTS: list[tuple[str, dict[str, Any], int, str | None]] = [
    ("live", {}, NOW_MS, None),
    ("last-moment", {"expires_ms": NOW_MS + 10}, NOW_MS + 9, None),
    ("expired", {"expires_ms": NOW_MS + 10}, NOW_MS + 10, "consent-expired"),
    ("withdrawn", {"state": ConsentState.WITHDRAWN, "changed_ms": NOW_MS}, NOW_MS, "consent-withdrawn"),
    ("superseded", {"state": ConsentState.SUPERSEDED, "changed_ms": NOW_MS}, NOW_MS, "consent-superseded"),
    ("state-expired", {"state": ConsentState.EXPIRED, "changed_ms": NOW_MS}, NOW_MS, "consent-expired"),
    ("other-study", {"study": "other"}, NOW_MS, "consent-malformed"),
    ("other-owner", {"study_key": encode_key(KEY.verify_key.raw)}, NOW_MS, "study-owner-changed"),
    ("other-notice", {"notice_digest": "0" * 64}, NOW_MS, "notice-changed"),
    ("other-manifest", {"manifest_digest": "0" * 64}, NOW_MS, "study-changed"),
    ("more-kinds", {"levels": {"command.run": Level.RHYTHM}}, NOW_MS, "consent-malformed"),
    ("clock-behind", {}, NOW_MS - CLOCK_TOLERANCE_MS - 1, "clock-implausible"),
    ("clock-a-little-behind", {}, NOW_MS - 1000, None),
]


@pytest.mark.parametrize(("change", "now_ms", "code"), [case[1:] for case in VERDICTS], ids=[c[0] for c in VERDICTS])
def test_verdict(
    record: ConsentRecord, study: Signed[StudyManifest], change: dict[str, Any], now_ms: int, code: str | None
) -> None:
    assert refusal_of(replace(record, **change), study, now_ms) == code
    assert code is None or code in REFUSALS


def test_verdict_before_start_and_after_end(
    variant: Callable[..., bytes], manifest: StudyManifest, study: Signed[StudyManifest], record: ConsentRecord
) -> None:
    assert refusal_of(record, study, study.payload.end_ms - 1) is None
    assert refusal_of(record, study, study.payload.end_ms) == "study-ended"
    later = read_manifest(variant(start="2026-02-01"))
    early = replace(record, manifest_digest=later.digest)
    assert refusal_of(early, later, NOW_MS) == "study-not-started"
    assert refusal_of(early, later, later.payload.start_ms) is None
    assert changes_ms(early, later.payload, NOW_MS) == later.payload.start_ms


def test_verdict_refuses_a_level_above_the_studys(variant: Callable[..., bytes], record: ConsentRecord) -> None:
    lower = read_manifest(variant(kinds={"document.open": Level.RHYTHM}))
    raised = replace(record, manifest_digest=lower.digest, levels={"document.open": Level.CONTENT})
    assert refusal_of(raised, lower, NOW_MS) == "consent-malformed"
    assert refusal_of(replace(raised, levels={"document.open": Level.RHYTHM}), lower, NOW_MS) is None


def test_verdict_for_a_changed_notice_names_the_notice(variant: Callable[..., bytes], record: ConsentRecord) -> None:
    other = read_manifest(variant(notice="New words.", notice_digest=notice_digest("New words.")))
    assert refusal_of(record, other, NOW_MS) == "notice-changed"


def test_next_change_is_the_next_moment_that_matters(record: ConsentRecord, study: Signed[StudyManifest]) -> None:
    soon = replace(record, expires_ms=NOW_MS + DAY_MS)
    assert changes_ms(soon, study.payload, NOW_MS) == NOW_MS + DAY_MS
    assert changes_ms(soon, study.payload, NOW_MS + DAY_MS) == study.payload.end_ms
    assert changes_ms(soon, study.payload, study.payload.end_ms) is None
