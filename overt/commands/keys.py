"""keys: a backup of this installation's keys, and the way back when they were lost."""

from __future__ import annotations

from pathlib import Path

import click

from local_store.backup import restore_backup, write_backup
from overt.console import json_option, print_json
from overt.device import Device

FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def keys() -> None:
    """Back up this installation's keys, and put a backup in the place of lost ones.

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
