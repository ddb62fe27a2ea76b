"""What a study's audit log says, in plain words: for ``overt audit``, and for the review page.

``openings`` answers who opened data for what purpose, from what was verified on this machine, without the network.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from consent_ledger.ledger import Ledger
from event_model.errors import ConsentError, OvertError
from event_model.ids import Pseudonym, StudyId
from event_model.keys import VerifyKey
from event_model.log_entries import LogEntry, LogKind, subject_of
from sync_client.audit import AuditFolder, VerifiedLog, kept_log, read_log
from sync_client.transport import Deadlines, Transport, is_loopback, open_http

_SENTENCES = {
    LogKind.ENROLMENT: "{who} joined the study",
    LogKind.WITHDRAWAL: "{who} left the study",
    LogKind.REVOCATION: "the owner shut {whom} out of the study",
    LogKind.DELETION: "{count} of {whose} were erased on request",
    LogKind.RETENTION: "{count} were erased because their time was over",
    LogKind.KEY_OPENING: "{by} opened the study's data: “{purpose}”",
    LogKind.DATASET_BUILD: "{by} built a dataset from {count}",
    LogKind.DATASET_RELEASE: "{by} released a dataset: “{purpose}”",
}


class Opening(msgspec.Struct, frozen=True):
    """That the study's data were opened: when (Unix ms), by whom, and for what stated purpose."""

    at_ms: int
    by: tuple[str, ...]
    purpose: str
    index: int
    """Its place in the log."""


class Telling(msgspec.Struct, frozen=True):
    """One entry for a person: when, what, and whether it is about themselves."""

    at_ms: int
    kind: str
    text: str
    mine: bool
    index: int


async def fetch_log(folder: AuditFolder, ledger: Ledger, study: StudyId) -> VerifiedLog | None:
    """Read a study's log from its receiver and verify all of it; None if the receiver keeps none.

    ConsentError: if no such study was joined. AuditError: if the log was rewritten, or its entries are not those it
    signed. UploadError: if it can't be reached.
    """
    url, key = _receiver(ledger, study)
    deadlines = Deadlines()
    async with open_http(deadlines, loopback=is_loopback(url)) as http:
        return await read_log(Transport(http, url, deadlines), folder, study=study, key=key)


def openings(folder: AuditFolder, ledger: Ledger, study: StudyId) -> tuple[Opening, ...] | None:
    """Give every opening of a study's data that the log tells of, newest first; None if the log was never read.

    From what was last read, verified again; no network. ConsentError, AuditError: as ``fetch_log``.
    """
    log = kept_log(folder, study=study, key=_receiver(ledger, study)[1])
    if log is None:
        return None
    numbered = [(index, entry) for index, entry in enumerate(log.entries) if entry.kind is LogKind.KEY_OPENING]
    return tuple(Opening(entry.at_ms, entry.by, entry.purpose, index) for index, entry in reversed(numbered))


class KeptLog(msgspec.Struct, frozen=True):
    """What ``check_kept`` found of one study's log: how many entries hold, or the code of what does not."""

    study: StudyId
    entries: int | None
    problem: str = ""
    detail: str = ""


def check_kept(folder: AuditFolder, ledger: Ledger, studies: Iterable[StudyId]) -> tuple[KeptLog, ...]:
    """Verify again what lies here of the studies' logs, without the network; ``entries`` is None if none was read."""
    found = []
    for study in studies:
        try:
            log = kept_log(folder, study=study, key=_receiver(ledger, study)[1])
            found.append(KeptLog(study, None if log is None else log.size))
        except OvertError as error:
            found.append(KeptLog(study, None, error.code, error.message))
    return tuple(found)


def tellings(log: VerifiedLog, pseudonym: Pseudonym | None) -> tuple[Telling, ...]:
    """Put every entry into words, oldest first; with one's pseudonym, one's own entries are recognised."""
    subject = None if pseudonym is None else subject_of(log.study, pseudonym)
    return tuple(
        Telling(entry.at_ms, entry.kind.value, tell(entry, mine=entry.subject == subject), entry.subject == subject, at)
        for at, entry in enumerate(log.entries)
    )


def tell(entry: LogEntry, *, mine: bool) -> str:
    """Put an entry into words."""
    return _SENTENCES[entry.kind].format(
        who="you" if mine else "someone",
        whom="you" if mine else "someone",
        whose="yours" if mine else "someone's",
        count=f"{entry.count} segment{'' if entry.count == 1 else 's'}",
        by=" and ".join(entry.by) or "someone",
        purpose=entry.purpose,
    )


def _receiver(ledger: Ledger, study: StudyId) -> tuple[str, VerifyKey]:
    manifest = ledger.manifest(study)
    if manifest is None:
        raise ConsentError(f"you have not joined {study}", code="no-such-study")
    return manifest.payload.receiver.url, manifest.payload.receiver_key
