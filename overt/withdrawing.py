"""Leaving a study: the consent ends first, then what is here is erased, then the receiver is asked."""

from __future__ import annotations

import contextlib

from event_model.errors import OvertError
from event_model.ids import StudyId
from overt.device import Device


async def withdraw(device: Device, study: StudyId) -> bool:
    """Take consent back; gives whether there was a store to erase from. Needs no key, network or space."""
    installation = None
    with contextlib.suppress(OvertError):  # without the key the request to erase follows later
        installation = device.keys().installation
    device.ledger.leave(study, now_ms=device.clock.wall_ms(), installation=installation)
    if not device.has_store:
        return False
    async with device.store(keyless=True) as store:
        await store.forget_study(study)
    return True
