from __future__ import annotations

import base64
import itertools
import secrets
from collections.abc import Sequence

import msgspec
import pytest

from event_model.checkpoint import Checkpoint, sign_checkpoint
from event_model.errors import AuditError, KeyUnavailable, UploadError
from event_model.ids import StudyId
from event_model.keys import RECIPIENT_SECRET_BYTES, RecipientSecretKey, Secret, SigningKey
from event_model.log_entries import LOG_STATEMENT, LogEntry, LogProof, LogStatement, encode_entry
from event_model.merkle import leaf_hash
from event_model.signed import open_document
from event_model.study_shares import KeyShare, open_study_key, read_share, split_study_key

STUDY = StudyId("study-a")
LOG_KEY = SigningKey(Secret(b"\x11" * 32))
PURPOSE = "Train the completion model, first round"
NOW = 1_767_225_600_000


class OneEntryLog:
    """A log as short as can be, with real signatures and proofs; ``forge`` changes the entry it writes."""

    def __init__(self, key: SigningKey = LOG_KEY, **forge: object) -> None:
        self.key = key
        self.forge = forge
        self.entries: list[LogEntry] = []

    def append(self, study: StudyId, statements: Sequence[bytes]) -> LogProof:
        said = [open_document(LOG_STATEMENT, data, LogStatement) for data in statements]
        asked = said[0].payload
        names = tuple(f"custodian-{at}" for at in range(len({each.key.raw for each in said})))
        entry = LogEntry(asked.kind, study, NOW, by=names, purpose=asked.purpose)
        entry = msgspec.structs.replace(entry, **self.forge)
        self.entries.append(entry)
        data = encode_entry(entry)
        checkpoint = sign_checkpoint(Checkpoint(f"overt/{study}", 1, leaf_hash(data)), self.key)
        return LogProof(base64.b64encode(data).decode(), 0, checkpoint.decode(), ())


class NoLog:
    def append(self, study: StudyId, statements: Sequence[bytes]) -> LogProof:
        raise UploadError("the log can't be reached")


@pytest.fixture(scope="module")
def secret() -> RecipientSecretKey:
    return RecipientSecretKey(Secret(secrets.token_bytes(RECIPIENT_SECRET_BYTES)))


@pytest.fixture(scope="module")
def shares(secret: RecipientSecretKey) -> tuple[KeyShare, ...]:
    return split_study_key(secret, study=STUDY)


def open_with(shares: Sequence[KeyShare], log: object, purpose: str = PURPOSE) -> RecipientSecretKey:
    return open_study_key(shares, purpose, log, log_key=LOG_KEY.verify_key, now_ms=NOW)[0]  # type: ignore[arg-type]


def test_any_two_of_three_open_and_the_purpose_is_written(
    secret: RecipientSecretKey, shares: tuple[KeyShare, ...]
) -> None:
    for pair in itertools.combinations(shares, 2):
        log = OneEntryLog()
        assert open_with(pair, log).raw.reveal() == secret.raw.reveal()
        assert [(entry.purpose, len(entry.by)) for entry in log.entries] == [(PURPOSE, 2)]
    assert open_with(shares, OneEntryLog()).raw.reveal() == secret.raw.reveal()


def test_one_share_or_one_twice_opens_nothing_and_is_not_logged(shares: tuple[KeyShare, ...]) -> None:
    for few in (shares[:1], (shares[0], shares[0]), ()):
        log = OneEntryLog()
        with pytest.raises(KeyUnavailable) as caught:
            open_with(few, log)
        assert caught.value.code == "shares-missing"
        assert log.entries == []


@pytest.mark.parametrize("log", [NoLog(), OneEntryLog(SigningKey(Secret(b"\x99" * 32))), OneEntryLog(purpose="fun")])
def test_without_a_proved_entry_nothing_is_put_together(
    shares: tuple[KeyShare, ...], log: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_words: object) -> bytes:
        raise AssertionError("the shares were put together")

    monkeypatch.setattr("event_model.study_shares.combine_mnemonics", never)
    with pytest.raises((UploadError, AuditError)):
        open_with(shares[:2], log)
    with pytest.raises(AssertionError, match="put together"):
        open_with(shares[:2], OneEntryLog())


@pytest.mark.parametrize("purpose", ["", "   ", "x", "x" * 501, "hidden \x1b[2J text"])
def test_no_purpose_no_opening(shares: tuple[KeyShare, ...], purpose: str) -> None:
    log = OneEntryLog()
    with pytest.raises(AuditError) as caught:
        open_with(shares[:2], log, purpose)
    assert caught.value.code == "purpose-missing"
    assert log.entries == []


def test_shares_of_two_keys_or_damaged_ones_are_refused(shares: tuple[KeyShare, ...]) -> None:
    other = split_study_key(RecipientSecretKey(Secret(secrets.token_bytes(RECIPIENT_SECRET_BYTES))), study=STUDY)
    lying = msgspec.structs.replace(other[1], recipient=shares[0].recipient)
    words = shares[1].words.split()
    damaged = msgspec.structs.replace(shares[1], words=" ".join([*words[:-2], words[-1], words[-2]]))
    for pair in ((shares[0], other[1]), (shares[0], lying), (shares[0], damaged)):
        with pytest.raises(KeyUnavailable):
            open_with(pair, OneEntryLog())


def test_a_share_shows_no_words_and_is_read_back(shares: tuple[KeyShare, ...]) -> None:
    assert shares[0].words.split()[5] not in repr(shares[0])
    assert read_share(msgspec.json.encode(shares[0])) == shares[0]
    for data in (b"", b"{}", b"\xff", msgspec.json.encode(msgspec.structs.replace(shares[0], kind="x"))):
        with pytest.raises(KeyUnavailable):
            read_share(data)


@pytest.mark.parametrize(("threshold", "count"), [(1, 3), (4, 3), (2, 17), (0, 0)])
def test_numbers_that_make_no_sense_are_refused(secret: RecipientSecretKey, threshold: int, count: int) -> None:
    with pytest.raises(KeyUnavailable):
        split_study_key(secret, study=STUDY, threshold=threshold, shares=count)
