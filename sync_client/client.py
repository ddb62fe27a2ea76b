"""The upload run: what is asked to be erased first, then each study's sealed segments, oldest first.

A study from which something is still to be erased sends nothing until that is confirmed: so a deletion never meets
what came after it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial

import httpx

from consent_ledger.grants import Grant
from consent_ledger.invitations import Invitations
from consent_ledger.ledger import Ledger
from event_model.clock import Clock, SystemClock
from event_model.errors import AuditError, OvertError, StoreConflict, UploadError
from event_model.ids import StudyId
from event_model.keys import Secret, study_signing_key
from event_model.receipts import DELETION_REQUEST, DeletionRequest
from event_model.signed import Signed, open_document
from local_store.model import SegmentInfo, SegmentState
from local_store.store import Store
from sync_client.audit import AuditFolder, follow_log
from sync_client.couriers import Rewound, SegmentCourier, Sleep, StillGiven, Superseded, carry_deletion
from sync_client.newer import look_for_newer
from sync_client.planner import UNREACHABLE, Ending, Stop
from sync_client.report import Problem, Stage, SyncIncomplete, SyncProgress, SyncReport, Tally
from sync_client.sending import Sending
from sync_client.transport import Deadlines, Transport, Withdrawn, is_loopback, open_http

__all__ = ["SyncIncomplete", "SyncProgress", "SyncReport", "sync"]

MAX_ROUNDS = 2
"""What was forgotten while its segment was under way is asked back and sent anew in the same run; once."""

Progress = Callable[[SyncProgress], None]


async def sync(
    *,
    store: Store,
    ledger: Ledger,
    installation: Secret | None,
    clock: Clock | None = None,
    random: Callable[[int], bytes] = os.urandom,
    http: httpx.AsyncClient | None = None,
    progress: Progress | None = None,
    study: StudyId | None = None,
    sleep: Sleep = asyncio.sleep,
    deadlines: Deadlines | None = None,
    audit: AuditFolder | None = None,
    sending: Sending | None = None,
    invitations: Invitations | None = None,
    bytes_per_s: int | None = None,
    ask_for_newer: bool = False,
) -> SyncReport:
    """Send deletion requests, then what is past its hold, of one study or of all; give what was done.

    Everything is tried before SyncIncomplete (an UploadError) tells what could not be done: nothing is lost then, and
    its ``report`` says what was. ``http`` is used as it is (proxies, certificates); else one is made per receiver. With
    ``audit``, each study's audit log is followed first, and a study whose log was rewritten is sent nothing. With
    Without ``installation``, because the key is locked or gone, only what has its envelope already is sent.
    ``sending``, who leaves a study can wait until nothing of it is under way; ``invitations`` are shown with consents.
    ``bytes_per_s`` bounds how fast bodies go out. With ``ask_for_newer``, each receiver is asked for the study's
    current manifest first: a newer version is offered to the person, and what asks for more stops the study until
    they answer.
    """
    run = _Run(
        store,
        ledger,
        installation,
        clock=clock or SystemClock(),
        random=random,
        http=http,
        progress=progress or (lambda _: None),
        sleep=sleep,
        deadlines=deadlines or Deadlines(),
        audit=audit,
        sending=sending,
        invitations=invitations,
        bytes_per_s=bytes_per_s,
        ask_for_newer=ask_for_newer,
    )
    report = await run.everything(study)
    if report.problems:
        raise SyncIncomplete(report)
    return report


class _Run:
    """One run: its connections, its counts, and what stands in the way."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        installation: Secret | None,
        *,
        clock: Clock,
        random: Callable[[int], bytes],
        http: httpx.AsyncClient | None,
        progress: Progress,
        sleep: Sleep,
        deadlines: Deadlines,
        audit: AuditFolder | None,
        sending: Sending | None,
        invitations: Invitations | None,
        bytes_per_s: int | None,
        ask_for_newer: bool,
    ) -> None:
        self._bytes_per_s = bytes_per_s
        self._ask_for_newer = ask_for_newer
        self._invitations = invitations
        self._sending = sending
        self._audit = audit
        self._store = store
        self._ledger = ledger
        self._installation = installation
        self._clock = clock
        self._random = random
        self._http = http
        self._own_http: dict[bool, httpx.AsyncClient] = {}
        self._progress = progress
        self._sleep = sleep
        self._deadlines = deadlines
        self._tally = Tally()
        self._transports: dict[str, Transport] = {}
        self._renewed: set[StudyId] = set()
        """Studies that began a new epoch in this run."""
        self._away: dict[str, Stop] = {}
        """Receivers that could not be reached in this run: nothing more is tried there."""

    async def everything(self, only: StudyId | None) -> SyncReport:
        """Do all there is to do."""
        try:
            unusable = await self._look_for_newer(only) if self._ask_for_newer else []
            for _ in range(MAX_ROUNDS):
                self._tally.problems.clear()
                if not await self._round(only):
                    break
            self._tally.problems.extend(unusable)
            await self._count_waiting(only)
        finally:
            for http in self._own_http.values():
                await http.aclose()
        self._tally.bytes_sent = self._bytes_sent
        return self._tally.report()

    async def _round(self, only: StudyId | None) -> bool:
        """Send deletions, then segments; say whether a person's forgetting made another round worthwhile."""
        self._finish_withdrawals()
        blocked = await self._carry_deletions(only)
        again = False
        for grant in self._grants(only):
            if grant.study not in blocked and await self._log_holds(grant):
                again |= await self._carry_study(grant)
        return again

    async def _log_holds(self, grant: Grant) -> bool:
        """Follow a study's audit log; say whether it goes on where it ended. Not to be reached is no proof of guilt."""
        manifest = grant.manifest
        url = manifest.receiver.url
        if self._audit is None or url in self._away:
            return True
        try:
            await follow_log(self._transport(url), self._audit, study=grant.study, key=manifest.receiver_key)
        except AuditError as error:
            self._problem(grant.study, error)
            return False
        except OvertError:
            return True
        return True

    async def _look_for_newer(self, only: StudyId | None) -> list[Problem]:
        """Offer the person what changed in their studies, also in one that has ended; give what was no good."""
        unusable = []
        for grant in self._ledger.grants(self._clock.wall_ms(), installation=self._installation):
            joined = grant.signed_record is not None and grant.signed_manifest is not None
            if not joined or only not in (None, grant.study) or grant.refusal not in _MAY_GO_ON:
                continue
            try:
                asks = await look_for_newer(self._transport(grant.manifest.receiver.url), self._ledger, grant.study)
            except OvertError as error:
                unusable.append(_problem_of(grant.study, error))
                continue
            if asks:
                self._tally.newer.append(grant.study)
        return unusable

    def _finish_withdrawals(self) -> None:
        if self._installation is None:
            return  # they are in force; what asks the receiver to erase is signed another time
        try:
            self._ledger.finish_withdrawals(self._installation, self._clock.wall_ms())
        except OvertError as error:
            for study in self._ledger.unfinished_withdrawals():
                self._problem(study, error)

    def _grants(self, only: StudyId | None) -> list[Grant]:
        grants = self._ledger.grants(self._clock.wall_ms(), installation=self._installation)
        return [grant for grant in grants if grant.live and only in (None, grant.study)]

    async def _carry_deletions(self, only: StudyId | None) -> set[StudyId]:
        """Send the requests that wait; give the studies of which one still does."""
        blocked: set[StudyId] = set()
        waiting = self._ledger.outbox()
        for done, (path, data) in enumerate(waiting):
            try:
                request = open_document(DELETION_REQUEST, data, DeletionRequest)
            except OvertError as error:
                self._problem(StudyId("*"), error)
                continue
            study = request.payload.study
            if only not in (None, study):
                continue
            try:
                stop = await self._carry_deletion(request)
            except OvertError as error:
                self._problem(study, error)
                blocked.add(study)
                continue
            if stop.ending is Ending.DONE:
                self._ledger.settled(path)
                self._tally.deletions_settled += 1
            else:
                blocked.add(study)
            self._tell(study, Stage.DELETION, done + 1, len(waiting))
        self._tally.deletions_waiting = len(self._ledger.outbox())
        return blocked

    async def _carry_deletion(self, request: Signed[DeletionRequest]) -> Stop:
        study = request.payload.study
        manifest = self._ledger.manifest(study)
        if manifest is None:
            raise UploadError("the study's manifest is gone, and with it the receiver's address", code="manifest-gone")
        url = manifest.payload.receiver.url
        stop = self._away.get(url) or await carry_deletion(
            request,
            transport=self._transport(url),
            key=manifest.payload.receiver_key,
            signer=None if self._installation is None else study_signing_key(self._installation, study),
            jitter=self._jitter,
            clock=self._clock,
            sleep=self._sleep,
            keep=partial(self._keep_receipt, study, request.digest),
        )
        self._note(study, url, stop)
        return stop

    def _keep_receipt(self, study: StudyId, request: str, receipt: bytes) -> None:
        if self._audit is not None:
            # Without space for it the request is sent again, and the receiver gives the same receipt.
            self._audit.keep_receipt(study, request, receipt)

    async def _carry_study(self, grant: Grant) -> bool:
        """Send what is due of one study; say whether the person's forgetting or leaving came in between."""
        url = grant.manifest.receiver.url
        courier = SegmentCourier(
            grant,
            ledger=self._ledger,
            store=self._store,
            transport=self._transport(url),
            installation=self._installation,
            still_given=StillGiven(self._ledger, self._clock, grant, self._installation),
            tally=self._tally,
            tell=partial(self._tell, grant.study),
            clock=self._clock,
            sleep=self._sleep,
            sending=self._sending,
            renewed=grant.study in self._renewed,
            invitation=None if self._invitations is None else self._invitations.of(grant.study),
        )
        try:
            stop = self._away.get(url) or await courier.carry(self._jitter)
        except (Superseded, Rewound) as found:
            if self._installation is None:
                return False  # another time, with the key
            if isinstance(found, Superseded):
                self._ask_back(found.info, self._installation)
                return True
            self._renewed.add(grant.study)
            await self._store.begin_epoch(grant.study)
        except (Withdrawn, StoreConflict):
            pass
        except OvertError as error:
            self._problem(grant.study, error)
            return False
        else:
            self._note(grant.study, url, stop)
            return False
        return True

    def _ask_back(self, info: SegmentInfo, installation: Secret) -> None:
        self._ledger.request_deletion(
            info.study,
            segments=((info.epoch, info.number),),
            installation=installation,
            now_ms=self._clock.wall_ms(),
            reason="forgotten-under-way",
        )

    def _note(self, study: StudyId, url: str, stop: Stop) -> None:
        if stop.ending is Ending.DONE:
            return
        if stop.code == UNREACHABLE:
            self._away[url] = stop
        permanent = stop.ending is Ending.REFUSED
        hint = _HINTS.get(stop.code, _REFUSED if permanent else UploadError.default_hint)
        problem = Problem(
            study, stop.code, stop.note, hint, permanent=permanent, retry_ms=stop.retry_ms, refused=permanent
        )
        if problem not in self._tally.problems:
            self._tally.problems.append(problem)

    def _problem(self, study: StudyId, error: OvertError) -> None:
        self._tally.problems.append(_problem_of(study, error))

    async def _count_waiting(self, only: StudyId | None) -> None:
        for grant in self._grants(only):
            due_ms = self._clock.wall_ms() - grant.hold_s * 1000
            for info in await self._store.segments(grant.study):
                if info.state in (SegmentState.HELD, SegmentState.ENVELOPED):
                    self._tally.held += info.sealed_ms > due_ms
                    self._tally.waiting += info.sealed_ms <= due_ms

    def _transport(self, url: str) -> Transport:
        if url not in self._transports:
            self._transports[url] = Transport(self._http_for(url), url, self._deadlines, bytes_per_s=self._bytes_per_s)
        return self._transports[url]

    def _http_for(self, url: str) -> httpx.AsyncClient:
        if self._http is not None:
            return self._http
        loopback = is_loopback(url)
        if loopback not in self._own_http:
            self._own_http[loopback] = open_http(self._deadlines, loopback=loopback)
        return self._own_http[loopback]

    @property
    def _bytes_sent(self) -> int:
        return sum(transport.bytes_sent for transport in self._transports.values())

    def _tell(self, study: StudyId, stage: Stage, done: int, total: int) -> None:
        self._progress(SyncProgress(study, stage, done, total, self._bytes_sent))

    def _jitter(self) -> float:
        return int.from_bytes(self._random(4), "big") / 0xFFFFFFFF


_REFUSED = "Trying again changes nothing: ask the study's owner. Nothing is lost meanwhile."


def _problem_of(study: StudyId, error: OvertError) -> Problem:
    return Problem(study, error.code, error.message, error.hint, permanent=True)


_MAY_GO_ON = (None, "study-changed", "notice-changed", "study-ended")
"""How a study may stand of which a newer version is worth looking for."""

_HINTS = {
    UNREACHABLE: "Nothing is lost: `overt sync` tries again. See whether the receiver's address can be reached.",
    "segment-conflict": (
        "The receiver holds other bytes under this number, also in a new epoch. "
        "Nothing is overwritten; ask the study's owner."
    ),
    "consent-expired": "Your consent to this study has run out; `overt join` gives it anew.",
    "invitation-missing": "The study is by invitation only: join it with the one you were given (`--invitation FILE`).",
    "invitation-used": "Each invitation is for one installation; ask the study's owner for another.",
    "sign-on-missing": "The study asks for a sign-on: `overt join STUDY --sign-on --agree`.",
    "enrolment-revoked": "The study's owner took your place back; `overt leave` erases what is here.",
    "study-unknown": "The receiver does not serve this study (any more); ask the study's owner.",
}
