"""audit: what a study's log says was done, verified."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import msgspec

from event_model.errors import OvertError
from event_model.ids import StudyId
from event_model.keys import pseudonym_of, study_signing_key
from overt.audit import Telling, fetch_log, tellings
from overt.console import console, json_option, local_time, print_json, table
from overt.device import Device
from sync_client.audit import AuditFolder, VerifiedLog, check_foreign


@click.command()
@click.argument("study", required=False)
@click.option("--compare", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="A checkpoint that another participant was shown: were you both shown the same log?")  # fmt: skip
@click.option("--checkpoint", is_flag=True, help="Only print your last checkpoint, for others to compare.")
@click.option("--start-anew", is_flag=True, help="After a rewriting: follow the log as it is now. The proof is kept.")
@json_option
def audit(study: str | None, compare: Path | None, *, checkpoint: bool, start_anew: bool, as_json: bool) -> None:
    """Show who joined, what was erased, and who opened the data for what purpose.

    The log of each study is read from its receiver and verified as a whole: every entry is part of what the receiver
    signed, and goes on from what it signed before. Exit code 10 when it does not.

    \b
    overt audit
    overt audit typing-2026 --checkpoint > mine.txt
    overt audit typing-2026 --compare theirs.txt
    """
    device = Device()
    folder = AuditFolder(device.home)
    names = [StudyId(study)] if study else [grant.study for grant in device.ledger.grants(device.clock.wall_ms())]
    if (compare or checkpoint or start_anew) and study is None:
        raise click.UsageError("name the study")
    if checkpoint:
        click.echo((folder.checkpoint(names[0]) or b"").decode(), nl=False)
        return
    if start_anew:
        folder.start_anew(names[0])
    for name in names:
        log = asyncio.run(fetch_log(folder, device.ledger, name))
        if compare is not None and log is not None:
            _compare(device, folder, log, compare)
        _show(name, log, _mine(device, log), receipts=len(folder.receipts(name)), as_json=as_json)
    if not names and not as_json:
        click.echo("You have joined no study; there is no log to look at.")


def _mine(device: Device, log: VerifiedLog | None) -> tuple[Telling, ...]:
    if log is None:
        return ()
    try:
        pseudonym = pseudonym_of(study_signing_key(device.keys().installation, log.study).verify_key)
    except OvertError:  # Without one's key one's own entries look like anyone's.
        return tellings(log, None)
    return tellings(log, pseudonym)


def _show(study: StudyId, log: VerifiedLog | None, told: tuple[Telling, ...], *, receipts: int, as_json: bool) -> None:
    if as_json:
        entries = msgspec.to_builtins(told)
        print_json({"study": study, "log": log is not None, "verified": log is not None, "entries": entries,
                    "receipts_of_erasure": receipts})  # fmt: skip
        return
    if log is None:
        click.echo(f"{study}: its receiver keeps no audit log.")
        return
    shown = table("when", "what", title=f"{study}: {log.size} entries, verified")
    for each in told:
        shown.add_row(local_time(each.at_ms), each.text)
    console().print(shown)
    if receipts:
        click.echo(f"The receiver's signed receipts of {receipts} erasures lie in the folder audit/ of OVERT_HOME.")


def _compare(device: Device, folder: AuditFolder, log: VerifiedLog, file: Path) -> None:
    manifest = device.ledger.manifest(log.study)
    if manifest is None:
        return
    key = manifest.payload.receiver_key
    found = check_foreign(file.read_bytes(), folder, log, study=log.study, key=key)
    click.echo(f"The same log: theirs has {found.size} entries, yours {log.size}.", err=True)
