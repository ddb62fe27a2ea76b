"""Leaving a study: consent ends first, then what is under way is cut off and what is here erased."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from event_model.errors import OvertError, StoreError
from event_model.ids import StudyId
from overt.device import Device
from sync_client.sending import Sending


class Left(msgspec.Struct, frozen=True):
    """What a leaving did: whether there was a store to erase from, and whether no upload is under way any more."""

    erased: bool
    silent: bool


async def withdraw(device: Device, study: StudyId, *, keyless: Callable[[OvertError], None] = lambda _: None) -> Left:
    """Take consent back. Needs no key, network or space. StoreError: if what is kept here can't be erased; it is left.

    ``keyless`` is told why, where the key can't be had: the request to erase follows later then.
    """
    installation = None
    try:
        installation = device.keys().installation
    except OvertError as error:
        keyless(error)
    device.ledger.leave(study, now_ms=device.clock.wall_ms(), installation=installation)
    silent = await asyncio.to_thread(Sending(device.home).wait_until_silent, study)
    if device.has_store:
        try:
            async with device.store(keyless=True) as store:
                await store.forget_study(study)
        except StoreError as error:
            raise type(error)(
                f"you have left {study}, but what is kept of it here is not erased: {error.message}",
                code=error.code,
                hint=f"{error.hint} Then `overt forget --study {study}` erases it.",
            ) from error
    return Left(device.has_store, silent)
