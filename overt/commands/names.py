"""names: names of people that the filter should look for, kept as digests on this device."""

from __future__ import annotations

from pathlib import Path

import click

from capture_gate.roster import add_to_roster, clear_roster, roster_size
from event_model.errors import ConsentError, FormatError
from overt.console import json_option, print_json
from overt.device import Device

MAX_ROSTER_BYTES = 1 << 20
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--add", "added_from", type=FILE, help="A text with a name or an address a line: a study's roster.")
@click.option("--clear", is_flag=True, help="Forget all names that were added.")
@json_option
def names(added_from: Path | None, *, clear: bool, as_json: bool) -> None:
    """Say how many names the filter was told to look for, beside yours and those of your repositories' authors.

    It masks them in files, in paths and as logins. Only digests under a key of this installation are kept, never the
    names. Editors and browsers that are open look for them when they are opened again.
    """
    device = Device()
    if clear:
        clear_roster(device.home)
    added = 0
    if added_from is not None:
        if not any(True for _ in device.ledger.grants(device.clock.wall_ms())):
            raise ConsentError("you have joined no study, so nothing is captured that could have names in it")
        added = add_to_roster(device.home, device.keys().installation, _lines(added_from))
    kept = roster_size(device.home)
    if as_json:
        print_json({"added": added, "names": kept})
    elif added_from is not None:
        click.echo(f"{added} new names; the filter looks for {kept}. They are kept as digests; the file is not needed.")
    else:
        click.echo(f"The filter looks for {kept} names that were added here.")


def _lines(path: Path) -> list[str]:
    """Read a roster: a name a line; empty lines and those that begin with # say nothing."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ROSTER_BYTES + 1)
        if len(data) > MAX_ROSTER_BYTES:
            raise FormatError(f"{path} is too large for a roster", hint="A roster is a text with a name a line.")
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} can't be read as text", hint="A roster is a text with a name a line.") from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
