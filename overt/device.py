"""The person's side as the commands need it: where things lie, and how to open them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import click

from capture_gate.home import home_folder
from consent_ledger.ledger import Ledger
from event_model.clock import SystemClock
from event_model.errors import StoreDamaged
from local_store.custody import DeviceKeys, open_custody
from local_store.store import Store, VerifyReport

PASSPHRASE_VARIABLE = "OVERT_PASSPHRASE"  # noqa: S105 - a name
"""Environment: the passphrase that the root key is under, where there is no one to ask."""


def asker() -> Callable[[], str] | None:
    """Give a way to ask for the passphrase; ``None`` where there is no one to ask."""
    if (given := os.environ.get(PASSPHRASE_VARIABLE)) is not None:
        return lambda: given
    if sys.stdin is not None and sys.stdin.isatty():
        return lambda: str(click.prompt("Passphrase", hide_input=True, err=True))
    return None


class Device:
    """One installation: its folder, its ledger and, when asked for, its keys and store."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = home or home_folder()
        self.clock = SystemClock()
        self.ledger = Ledger(self.home)
        self._keys: DeviceKeys | None = None

    def keys(self) -> DeviceKeys:
        """Open the keys. KeyUnavailable: if they are missing or locked."""
        if self._keys is None:
            made = (self.home / "keys" / "custody.json").exists()
            self._keys = open_custody(self.home, passphrase=asker() if made else None)
        return self._keys

    @property
    def has_store(self) -> bool:
        """Whether anything was ever captured here."""
        return (self.home / "store" / "overt.sqlite3").exists()

    @asynccontextmanager
    async def store(self, *, keyless: bool = False) -> AsyncIterator[Store]:
        """Open the store for the length of a block; ``keyless`` for what must work when the key is gone."""
        store = await Store.open(self.home, None if keyless else self.keys(), clock=self.clock)
        try:
            yield store
        finally:
            await store.close()

    async def verified(self) -> VerifyReport:
        """Check the whole store. If its database is damaged, it is opened anew, which mends it, and checked again.

        KeyUnavailable: without the keys. StoreDamaged: if it is damaged and another program has it open.
        """
        with contextlib.suppress(StoreDamaged):
            async with self.store() as store:
                report = await store.verify()
                if not any(each.what == "database" for each in report.damaged):
                    return report
        async with self.store() as store:
            return await store.verify()
