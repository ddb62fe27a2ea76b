"""What the gate says, as what we say on the wire."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lsp_collector.messages import RefusalAnswer, StatusAnswer, StudyAnswer, WhyAnswer
from lsp_collector.ports import Refusal, Status

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
            findings=each.findings,
            documents=each.documents,
        )
        for each in status.studies
    )
    return StatusAnswer(status.state, _refusals(status.reasons), studies, status.paused_until_ms)


def steady(status: StatusAnswer) -> StatusAnswer:
    """Leave out what counts up with every event: the rest changing is worth telling the editor."""
    studies = tuple(
        msgspec.structs.replace(each, offered=0, durable=0, sealed=0, findings=0, documents=0)
        for each in status.studies
    )
    return msgspec.structs.replace(status, studies=studies)


def why_answer(*, captured: bool, is_file: bool, refusals: Sequence[Refusal]) -> WhyAnswer:
    """Turn the gate's reasons into the answer of ``overt/why``."""
    return WhyAnswer(captured, _refusals(refusals) if is_file else (_NO_FILE,))


def _refusals(refusals: Sequence[Refusal]) -> tuple[RefusalAnswer, ...]:
    return tuple(RefusalAnswer(each.code, each.detail, each.study) for each in refusals)
