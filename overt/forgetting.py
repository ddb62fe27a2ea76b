"""What forgetting needs beside the store: what was sent already is asked back from the receiver."""

from __future__ import annotations

from local_store.store import Forgotten
from overt.device import Device

REASON = "forgotten by the person"


def ask_back(device: Device, forgotten: Forgotten) -> None:
    """Queue a deletion request for each study of which something was sent; the next sync delivers it."""
    device.ledger.stir()  # editors that run begin new sessions
    for study in {study for study, _, _ in forgotten.uploaded_segments}:
        device.ledger.request_deletion(
            study,
            segments=tuple((epoch, number) for name, epoch, number in forgotten.uploaded_segments if name == study),
            now_ms=device.clock.wall_ms(),
            installation=device.keys().installation,
            reason=REASON,
        )
