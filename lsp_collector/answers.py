"""What the gate says, as what we say on the wire."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from event_model.events import GapReason
from lsp_collector.messages import RefusalAnswer, StatusAnswer, StudyAnswer, WhyAnswer
from lsp_collector.ports import Refusal, Status

_LOST = {
    GapReason.MESSAGE_TOO_LARGE: "A change was too large to be read.",
    GapReason.MESSAGE_MALFORMED: "A change could not be read.",
    GapReason.DOCUMENT_UNOPENED: "The editor changed the file without having opened it.",
    GapReason.DOCUMENT_TOO_LARGE: "The file is too large to be captured.",
    GapReason.POSITION_INVALID: "A change did not fit the text.",
}

_NO_FILE = RefusalAnswer("no-file", "Only files on this machine are captured.", None)


def status_answer(status: Status) -> StatusAnswer:
    """Turn the gate's status into the answer of ``overt/status``."""
    studies = tuple(
        StudyAnswer(
            study=each.study,
            title=each.title,
            live=each.live,
            offered=each.offered,
            durable=each.durable,
            sealed=each.sealed,
            findings=sum(each.masked.values()),
            masked=dict(each.masked),
            documents=each.documents,
        )
        for each in status.studies
    )
    return StatusAnswer(status.state, _refusals(status.reasons), studies, status.paused_until_ms)


def lost_refusal(reason: GapReason) -> RefusalAnswer:
    """Say why the collector let go of a document, and how it comes back."""
    return RefusalAnswer(reason.value, f"{_LOST.get(reason, 'Changes are missing.')} Saving it begins again.", None)


def steady(status: StatusAnswer) -> StatusAnswer:
    """Leave out what counts up with every event: the rest changing is worth telling the editor."""
    studies = tuple(
        msgspec.structs.replace(each, offered=0, durable=0, sealed=0, findings=0, masked={}, documents=0)
        for each in status.studies
    )
    return msgspec.structs.replace(status, studies=studies)


def why_answer(*, captured: bool, is_file: bool, refusals: Sequence[Refusal]) -> WhyAnswer:
    """Turn the gate's reasons into the answer of ``overt/why``."""
    return WhyAnswer(captured, _refusals(refusals) if is_file else (_NO_FILE,))


def _refusals(refusals: Sequence[Refusal]) -> tuple[RefusalAnswer, ...]:
    return tuple(RefusalAnswer(each.code, each.detail, each.study) for each in refusals)
