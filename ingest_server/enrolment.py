"""Who may take part where a study is not open to all: an invitation binds one pseudonym, once; so does a sign-on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from event_model.clock import Clock
from event_model.errors import AuditError, ConsentError, ReceiverError
from event_model.ids import Pseudonym, StudyId
from event_model.invitations import Revocation, from_header, read_invitation, read_revocation
from event_model.keys import VerifyKey
from event_model.log_entries import LogEntry, LogKind, subject_of
from ingest_server.log_service import log_row
from ingest_server.metadata import Metadata
from ingest_server.rows import Enrolment, LogRow, Participant

if TYPE_CHECKING:
    from ingest_server.sign_on import SignOn


class Enrolments:
    """Checks invitations and takes them back."""

    def __init__(
        self,
        owners: Mapping[StudyId, VerifyKey],
        *,
        metadata: Metadata,
        clock: Clock,
        invited_only: bool,
        sign_on: SignOn | None = None,
    ) -> None:
        """``owners`` gives each study's owner, whose signature an invitation bears.

        With ``sign_on``, or ``invited_only``, a first consent needs one of the two.
        """
        self._sign_on = sign_on
        self._owners = owners
        self._metadata = metadata
        self._clock = clock
        self._closed = invited_only or sign_on is not None

    async def admit(self, participant: Participant, header: str | None, token: str | None) -> None:
        """Let a participant in who gives consent, under their claim. ReceiverError: 403, and why; 503."""
        invitation = self._read(participant.study, header)
        mine = await self._places_taken(participant, invitation)
        if mine or not self._closed:
            return
        if invitation is not None:
            if not await self._metadata.enrol(participant, invitation):
                raise ReceiverError("this invitation was used before", status=403, code="invitation-used")
        elif self._sign_on is None:
            raise ReceiverError("this study is by invitation only", status=403, code="invitation-missing")
        else:
            await self._enrol_person(self._sign_on, participant, token)

    async def refuse_revoked(self, participant: Participant) -> None:
        """Tell a participant whose place was taken back that it was. ReceiverError: 403."""
        await self._places_taken(participant, None)

    async def _places_taken(self, participant: Participant, invitation: str | None) -> list[Enrolment]:
        known = await self._metadata.enrolments(participant, invitation)
        mine = [each for each in known if each.pseudonym == participant.pseudonym]
        if any(each.revoked for each in mine):
            raise _taken_back()
        return mine

    async def _enrol_person(self, sign_on: SignOn, participant: Participant, token: str | None) -> None:
        if token is None:
            raise ReceiverError("this study asks for a sign-on", status=403, code="sign-on-missing")
        places = await sign_on.places(participant, token)
        for place in places:
            if any(each.revoked for each in await self._metadata.enrolments(participant, place)):
                raise _taken_back()
        for place in places:
            if await self._metadata.enrol(participant, place):
                return
        raise ReceiverError("this person takes part with as many installations as may", status=403, code="sign-on-used")

    async def revoke(self, study: StudyId, data: bytes) -> None:
        """Take a place back at the owner's word. ReceiverError: 403, 404."""
        owner = self._owners.get(study)
        if owner is None:
            raise ReceiverError("no such study here", status=404, code="study-unknown")
        try:
            revocation = read_revocation(data, study=study, owner=owner)
        except AuditError as error:
            raise ReceiverError("not accepted", status=403, code="statement-refused") from error

        def entry(place: str, pseudonym: str) -> LogRow:
            subject = subject_of(study, Pseudonym(pseudonym)) if pseudonym else ""
            told = LogEntry(kind=LogKind.REVOCATION, study=study, at_ms=self._clock.wall_ms(), subject=subject)
            return log_row(told, f"revocation {place}")

        await self._metadata.revoke(study, self._places(revocation), entry)

    def _places(self, revocation: Revocation) -> tuple[str, ...]:
        if not revocation.person:
            return (revocation.invitation,)
        if self._sign_on is None:
            raise ReceiverError("nobody signs on here", status=403, code="sign-on-unknown")
        return self._sign_on.places_of(revocation.person)

    def _read(self, study: StudyId, header: str | None) -> str | None:
        owner = self._owners.get(study)
        if header is None or owner is None or not self._closed:
            return None
        try:
            invitation = read_invitation(from_header(header), study=study, owner=owner)
        except ConsentError as error:
            raise ReceiverError("this invitation is not valid", status=403, code="invitation-invalid") from error
        if invitation.expires_ms <= self._clock.wall_ms():
            raise ReceiverError("this invitation has expired", status=403, code="invitation-expired")
        return invitation.id


def _taken_back() -> ReceiverError:
    return ReceiverError("this place in the study was taken back", status=403, code="enrolment-revoked")
