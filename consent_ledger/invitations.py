"""The invitations that a person was given: kept beside the consents, shown to the receiver with the consent record."""

from __future__ import annotations

from pathlib import Path

from consent_ledger.files import make_private_folder, read_small, write_files
from event_model.ids import StudyId


class Invitations:
    """The folder ``invitations/``; one file per study."""

    def __init__(self, home: Path) -> None:
        self._path = home / "invitations"

    def keep(self, study: StudyId, invitation: bytes) -> None:
        """Keep an invitation. StoreUnwritable: if there is no space."""
        make_private_folder(self._path)
        write_files([(self._path / f"{study}.json", invitation)])

    def of(self, study: StudyId) -> bytes | None:
        """Give the invitation to a study, or None."""
        try:
            return read_small(self._path / f"{study}.json")
        except OSError:
            return None
