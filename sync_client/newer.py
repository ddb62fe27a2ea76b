"""Asks a study's receiver for the study's current manifest, and has the ledger offer a newer one to the person.

Nothing is ever accepted here: a newer version that asks for more puts capture off until the person has answered.
"""

from __future__ import annotations

from consent_ledger.ledger import Ledger
from event_model.errors import ConsentError, OvertError
from event_model.ids import StudyId
from event_model.signed import MAX_DOCUMENT_BYTES
from sync_client.transport import Transport

_OK = 200

_OLDER = "study-older-version"
"""The receiver was not told of the newest version yet: the person has it from elsewhere."""


async def look_for_newer(transport: Transport, ledger: Ledger, study: StudyId) -> tuple[str, ...]:
    """Fetch a study's manifest; give the fields for which the person must be asked, none if it is the one agreed to.

    A receiver that can't be reached, or serves no sound manifest, has nothing newer. ConsentError: if what it serves is
    another study's, another owner's, or changed without a new version number; what was agreed to then stands.
    """
    answer = await transport.send(
        "GET", f"/v1/studies/{study}/manifest", b"", may_go=lambda: True, limit=MAX_DOCUMENT_BYTES + 1
    )
    accepted = ledger.manifest(study)
    if answer.status != _OK or accepted is None:
        return ()
    try:
        found = ledger.offer(answer.body)
    except OvertError:  # whatever stands between may answer in the receiver's place
        return ()
    if found.payload.id != study:
        raise ConsentError(
            f"the receiver gives the manifest of {found.payload.id} for {study}", code="manifest-foreign", hint=""
        )
    if found.digest == accepted.digest:
        return ()
    try:
        return ledger.renew(answer.body)
    except ConsentError as error:
        if error.code == _OLDER:
            return ()
        raise
