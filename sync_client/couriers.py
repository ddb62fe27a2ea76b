"""The two things that are carried to a receiver: deletion requests, and one study's segments.

Each walks a plan (see ``planner``) and does what its steps say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext

from consent_ledger.grants import Grant
from consent_ledger.ledger import Ledger
from event_model.clock import Clock
from event_model.errors import StoreDamaged, UploadError
from event_model.ids import RecordId
from event_model.invitations import HEADER, to_header
from event_model.keys import Secret, SigningKey, VerifyKey, study_signing_key
from event_model.receipts import DeletionRequest
from event_model.request_signatures import sign_request
from event_model.signed import Signed
from local_store.model import SegmentInfo, SegmentState
from local_store.store import Store
from sync_client.answers import Answer, Reaction, deletion_receipt, problem_code, reaction_to, segment_receipt
from sync_client.envelopes import envelope_for
from sync_client.planner import PutConsent, Stop, StudyPlan, Wait
from sync_client.report import Stage, Tally
from sync_client.sending import Sending
from sync_client.transport import Transport

CONFLICT = 409
REUSED = "segment-conflict"

Sleep = Callable[[float], Awaitable[None]]
Tell = Callable[[Stage, int, int], None]
"""Stage, done, total."""


class Superseded(Exception):
    """A signal: the receiver holds a segment of which the person forgot a part since; it must be asked back."""

    def __init__(self, info: SegmentInfo) -> None:
        super().__init__()
        self.info = info


class Rewound(Exception):
    """A signal: the receiver holds other bytes under this number: an older copy of the store was put back here."""


class StillGiven:
    """Says whether one consent still stands: a few stat calls, and the whole judgement only after a change."""

    def __init__(self, ledger: Ledger, clock: Clock, grant: Grant, installation: Secret | None) -> None:
        self._ledger = ledger
        self._clock = clock
        self._grant = grant
        self._installation = installation
        self._fingerprint: object = None
        self._until: int | None = None
        self._live = False

    def __call__(self) -> bool:
        """Judge now."""
        now, fingerprint = self._clock.wall_ms(), self._ledger.fingerprint()
        if fingerprint != self._fingerprint or (self._until is not None and now >= self._until):
            self._judge(now)
            self._fingerprint = fingerprint
        return self._live

    def _judge(self, now: int) -> None:
        self._live = False
        for grant in self._ledger.grants(now, installation=self._installation):
            if grant.study == self._grant.study:
                self._until = grant.changes_ms
                self._live = grant.live and grant.record.record_id == self._grant.record.record_id


async def carry_deletion(
    request: Signed[DeletionRequest],
    *,
    transport: Transport,
    key: VerifyKey,
    signer: SigningKey | None,
    jitter: Callable[[], float],
    clock: Clock,
    sleep: Sleep,
    keep: Callable[[bytes], None] = lambda _: None,
) -> Stop:
    """Send a deletion request until its receipt is here, or the run's tries are used up; ``keep`` gets the receipt.

    ``key`` is the receiver's, which signs the receipt; ``signer`` is one's own for the study, which signs the
    requests; without it they go as they are, since what they carry was signed when it was made.
    """
    asked = request.payload
    path = f"/v1/studies/{asked.study}/participants/{asked.pseudonym}/deletions"
    plan = StudyPlan((request,), consent_known=True, consent_helps=False, jitter=jitter)
    while not isinstance(step := plan.next(), Stop):
        if isinstance(step, Wait):
            await sleep(step.milliseconds / 1000)
            continue
        headers = _signed("POST", path, request.raw, signer, clock)
        answer = await transport.send("POST", path, request.raw, may_go=lambda: True, headers=headers)
        if reaction_to(answer.status) is Reaction.ACCEPTED and _is_deletion_receipt(answer.body, request, key):
            keep(answer.body)
            plan.accepted()
        else:
            plan.answered(answer, clock.wall_ms())
    return step


def _signed(method: str, target: str, body: bytes, signer: SigningKey | None, clock: Clock) -> dict[str, str]:
    return {} if signer is None else sign_request(method, target, body, signer, now_s=clock.wall_ms() // 1000)


def _is_deletion_receipt(body: bytes, request: Signed[DeletionRequest], key: VerifyKey) -> bool:
    asked = request.payload
    try:
        deletion_receipt(body, key=key, study=asked.study, pseudonym=asked.pseudonym, request=request.digest)
    except UploadError:
        return False
    return True


class SegmentCourier:
    """Carries one study's due segments."""

    def __init__(
        self,
        grant: Grant,
        *,
        ledger: Ledger,
        store: Store,
        transport: Transport,
        installation: Secret | None,
        still_given: StillGiven,
        tally: Tally,
        tell: Tell,
        clock: Clock,
        sleep: Sleep,
        renewed: bool,
        sending: Sending | None = None,
        invitation: bytes | None = None,
    ) -> None:
        """``renewed``: the study began a new epoch in this run, and a conflict in it has another cause."""
        self._renewed = renewed
        self._invitation = invitation
        self._sending = sending
        self._grant = grant
        self._ledger = ledger
        self._store = store
        self._transport = transport
        self._installation = installation
        self._still_given = still_given
        self._tally = tally
        self._tell = tell
        self._clock = clock
        self._sleep = sleep
        self._signer = None if installation is None else study_signing_key(installation, grant.study)
        self._path = f"/v1/studies/{grant.study}/participants/{grant.record.pseudonym}"

    async def carry(self, jitter: Callable[[], float]) -> Stop:
        """Send what is due.

        Withdrawn: if consent ends meanwhile. Superseded, StoreConflict: if the person forgets what is under way.
        Rewound: if the numbers were used before.
        """
        study = self._grant.study
        known = await self._store.segments(study)
        due = await self._store.due(study, sealed_before_ms=self._clock.wall_ms() - self._grant.hold_s * 1000)
        needed = list(dict.fromkeys([*(each.consent_record for each in due), self._grant.record.record_id]))
        accepted = {each.consent_record for each in known if each.state is SegmentState.UPLOADED}
        plan = StudyPlan(due, consent_known=accepted.issuperset(needed), jitter=jitter)
        while not isinstance(step := plan.next(), Stop):
            if isinstance(step, Wait):
                self._tell(Stage.WAITING, plan.done, len(due))
                await self._sleep(step.milliseconds / 1000)
            elif isinstance(step, PutConsent):
                await self._put_consents(plan, needed)
            else:
                await self._put_segment(plan, step.segment)
            self._tell(Stage.SEGMENT, plan.done, len(due))
        return step

    async def _put_consents(self, plan: StudyPlan[SegmentInfo], records: Sequence[RecordId]) -> None:
        """Send the records that the due segments were captured under, the live one last.

        A person may have agreed anew while segments were on hold: those go under the record that was superseded.
        """
        for record in records:
            data = self._ledger.record_document(self._grant.study, record)
            if data is None:
                continue  # the receiver may know it; if not, it refuses the segment and says so
            answer = await self._send("consent", data, invitation=self._invitation)
            if reaction_to(answer.status) is not Reaction.ACCEPTED:
                plan.answered(answer, self._clock.wall_ms())
                return
        plan.accepted()

    async def _put_segment(self, plan: StudyPlan[SegmentInfo], due: SegmentInfo) -> None:
        try:
            info, data = await envelope_for(self._store, due, self._grant.manifest, self._installation)
        except StoreDamaged:
            await self._store.mark_damaged(due)
            self._tally.damaged += 1
            plan.skip()
            return
        answer = await self._send(f"segments/{info.epoch}/{info.number}", data)
        if reaction_to(answer.status) is Reaction.ACCEPTED and self._is_receipt(answer.body, info, data):
            await self._store.mark_uploaded(info, answer.body)
            self._tally.uploaded += 1
            self._tally.already += answer.status == 200
            plan.accepted()
        elif answer.status == CONFLICT and info.revision > 0:
            raise Superseded(info)
        elif problem_code(answer) == REUSED and not self._renewed:
            raise Rewound
        else:
            plan.answered(answer, self._clock.wall_ms())

    async def _send(self, path: str, body: bytes, *, invitation: bytes | None = None) -> Answer:
        target = f"{self._path}/{path}"
        headers = _signed("PUT", target, body, self._signer, self._clock)
        if invitation is not None:
            headers[HEADER] = to_header(invitation)
        async with self._sending.held(self._grant.study) if self._sending else nullcontext():
            return await self._transport.send("PUT", target, body, may_go=self._still_given, headers=headers)

    def _is_receipt(self, body: bytes, info: SegmentInfo, data: bytes) -> bool:
        try:
            segment_receipt(
                body,
                key=self._grant.manifest.receiver_key,
                study=info.study,
                pseudonym=self._grant.record.pseudonym,
                at=(info.epoch, info.number),
                digest=hashlib.sha256(data).hexdigest(),
            )
        except UploadError:
            return False
        return True
