"""keys: a backup of this installation's keys, the way back when they were lost, and another key."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from event_model.errors import StoreConflict
from local_store.backup import restore_backup, write_backup
from local_store.rotation import rotate as rotate_keys
from overt.console import json_option, print_json
from overt.device import Device, asker

FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def keys() -> None:
    """Back up this installation's keys, put a backup in the place of lost ones, or rotate them.

    Without its keys the local store can't be read, and nothing can be signed for your studies any more.
    """


@keys.command()
@click.argument("file", type=FILE)
@click.password_option("--passphrase", envvar="OVERT_BACKUP_PASSPHRASE", help="Asked for when left out.")
@json_option
def backup(file: Path, passphrase: str, *, as_json: bool) -> None:
    """Write the keys into FILE, a new file, under a passphrase of your choice.

    Whoever has the file and the passphrase can read this installation's store: keep the two apart.
    """
    write_backup(file, Device().keys(), passphrase)
    if as_json:
        print_json({"file": str(file)})
    else:
        click.echo(f"Your keys are in {file}. They are of no use without the passphrase, also to you.")


@keys.command()
@click.argument("file", type=FILE)
@click.password_option(
    "--passphrase",
    envvar="OVERT_BACKUP_PASSPHRASE",
    confirmation_prompt=False,
    help="The backup's; asked for when left out.",
)
@json_option
def restore(file: Path, passphrase: str, *, as_json: bool) -> None:
    """Put the keys in FILE in the place of lost or damaged ones; keys that still open are never replaced."""
    restored = restore_backup(Device().home, file, passphrase)
    if as_json:
        print_json({"kept_in": restored.kept_in, "warning": restored.warning})
        return
    click.echo(f"Your keys are back; they are kept in the {restored.kept_in}.")
    if restored.warning:
        click.echo(restored.warning)


@keys.command()
@json_option
def rotate(*, as_json: bool) -> None:
    """Put another root key in the place of the one in use, as when somebody may have seen it.

    Close your editors first. Nothing that was captured changes; your studies know you as before. Who has the old key
    opens nothing of this store any more, and backups of the keys that you made before are of no use for it: make a new
    one.
    """
    device = Device()
    held = device.keys()
    if device.has_store and asyncio.run(_running(device)):
        raise StoreConflict(
            "an editor or browser is capturing with the present key",
            code="session-live",
            hint="Close your editors, then run `overt keys rotate` again.",
        )
    rotated = rotate_keys(device.home, held, passphrase=asker())
    if as_json:
        print_json({"kept_in": rotated.kept_in, "warning": rotated.warning})
    else:
        click.echo(f"The root key is another one; it is kept in the {rotated.kept_in}.")
        click.echo("Backups from before are of no use any more: `overt keys backup FILE` makes a new one.")


async def _running(device: Device) -> bool:
    async with device.store() as store:
        return bool(await store.running())
