"""Signing off what is over: records that were taken back, and records that a new one replaces."""

from __future__ import annotations

import contextlib
from pathlib import Path

from consent_ledger.deletions import Outbox
from consent_ledger.files import make_private_folder, read_small, unwritable, write_files
from consent_ledger.folder import StudyFolder
from consent_ledger.record import ConsentAct, ConsentRecord, sign_record, transition, verify_record
from event_model.errors import OvertError
from event_model.keys import Secret, study_signing_key


def supersede(folder: StudyFolder, *, installation: Secret, now_ms: int) -> None:
    """Keep the consent that a new one takes the place of, signed as superseded; a damaged one is just replaced."""
    try:
        data = folder.read(folder.record)
        record = None if data is None else transition(verify_record(data).payload, ConsentAct.SUPERSEDE, at_ms=now_ms)
    except (OSError, OvertError):
        return
    if record is not None:
        _keep(folder, record, installation)


def finish_withdrawal(
    folder: StudyFolder, outbox: Outbox, *, installation: Secret, now_ms: int
) -> ConsentRecord | None:
    """Ask for deletion and sign off what was taken back; every step may be done again after a crash.

    Gives the last signed-off record, or None if it was damaged. KeyUnavailable: if this installation's key did not
    give the consent. StoreUnwritable: if there is no space.
    """
    withdrawn: ConsentRecord | None = None
    for at_ms, marker in folder.markers():
        record = _record_in(marker)
        if record is not None:
            withdrawn = transition(record, ConsentAct.WITHDRAW, at_ms=at_ms)
            # The key is tried before anything else: the request must not go out under another pseudonym.
            sign_record(withdrawn, study_signing_key(installation, folder.study))
        outbox.add(
            folder.study,
            installation=installation,
            requested_ms=min(at_ms, now_ms),
            reason="consent-withdrawn",
            consent_record=None if record is None else record.record_id,
        )
        if record is not None and withdrawn is not None:
            _keep(folder, withdrawn, installation)
        try:
            marker.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(marker, error) from error
    return withdrawn


def _record_in(marker: Path) -> ConsentRecord | None:
    """Read the record that was taken back; None if it is damaged: the deletion is then asked for without its id."""
    with contextlib.suppress(OSError, OvertError):
        return verify_record(read_small(marker)).payload
    return None


def _keep(folder: StudyFolder, record: ConsentRecord, installation: Secret) -> None:
    data = sign_record(record, study_signing_key(installation, folder.study))
    make_private_folder(folder.history)
    write_files([(folder.history / f"{record.record_id}.json", data)])
