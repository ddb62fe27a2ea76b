"""sync: what is past its hold goes out, sealed."""

from __future__ import annotations

import asyncio

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from capture_gate.recovery import Recovered, recover
from consent_ledger.grants import Grant
from consent_ledger.invitations import Invitations
from event_model.errors import KeyUnavailable
from event_model.ids import StudyId
from event_model.keys import Secret
from overt import timer_shell
from overt.console import DURATION, bytes_text, console, json_option, local_time, print_json, table
from overt.device import Device
from overt.timers import EVERY_S
from sync_client.audit import AuditFolder
from sync_client.client import SyncProgress, SyncReport
from sync_client.client import sync as sync_all
from sync_client.sending import Sending

MS = 1000

LEAST_EVERY_S = 900
"""A receiver of a thousand people is asked once a second at most, then."""


@click.command()
@click.option("--study", help="Only this study.")
@click.option("--explain", is_flag=True, help="Say what would be sent and what is on hold; send nothing.")
@click.option("--install-timer", is_flag=True,
              help="Run this every hour, or as --every says: shows and installs your system's own timer.")  # fmt: skip
@click.option("--every", type=DURATION, help="With --install-timer: how often, such as 4h; 15m at the least.")
@click.option("--undo", is_flag=True, help="With --install-timer: take the timer away.")
@click.option("--unattended", is_flag=True, help="As the timer runs it: nothing is sent over a metered connection.")
@click.option("--limit", type=click.IntRange(min=20), metavar="KB/S",
              help="Send at most so many kilobytes a second; 20 or more.")  # fmt: skip
@json_option
def sync(
    study: str | None, limit: int | None, every: int | None,
    *, explain: bool, install_timer: bool, undo: bool, unattended: bool, as_json: bool,
) -> None:  # fmt: skip
    """Send what is past its hold, sealed to the study's key, and ask back what you forgot.

    Sends each segment once, until the receiver's signed receipt is here. Nothing is lost when it can't be reached:
    the next `overt sync` tries again. `overt sync --install-timer` has it run by itself.
    """
    if undo and not install_timer:
        raise click.UsageError("--undo goes with --install-timer")
    if every is not None and (not install_timer or undo or every < LEAST_EVERY_S):
        raise click.UsageError("--every goes with --install-timer, and is 15m or more")
    if install_timer:
        _timer(every or EVERY_S, undo=undo, as_json=as_json)
        return
    if unattended and timer_shell.is_metered():
        click.echo("The connection is metered: nothing is sent. `overt sync` sends all the same.")
        return
    device = Device()
    if explain:
        _explain(device, study, as_json=as_json)
        return
    if not (device.has_store or device.ledger.outbox() or device.ledger.grants(device.clock.wall_ms())):
        # Nothing was ever joined: no key is made for it either.
        _nothing(as_json=as_json)
        return
    recovered, report, locked = asyncio.run(
        _sync(device, None if study is None else StudyId(study), limit=limit, quiet=as_json)
    )
    if locked is not None:
        if not as_json:
            click.echo(f"Sent {report.uploaded} segments whose envelope was made before; the rest needs the key.")
        raise locked
    if as_json:
        print_json({"recovered": recovered, **{name: getattr(report, name) for name in report.__struct_fields__}})
        return
    if recovered.sessions:
        click.echo(f"Sealed {recovered.events} events that an editor left behind.")
    for name in report.newer:
        click.secho(
            f"{name} has a newer version. Nothing is captured for it until you answer: `overt join {name}`.",
            fg="yellow",
        )
    click.echo(
        f"Sent {report.uploaded} segments ({bytes_text(report.bytes_sent)}); "
        f"{report.held} on hold; {report.deletions_settled} requests to erase confirmed."
    )


def _nothing(*, as_json: bool) -> None:
    if as_json:
        report = SyncReport()
        print_json({"recovered": Recovered(), **{name: getattr(report, name) for name in report.__struct_fields__}})
    else:
        click.echo("Nothing to send: you have not joined a study.")


async def _sync(
    device: Device, study: StudyId | None, *, limit: int | None, quiet: bool
) -> tuple[Recovered, SyncReport, KeyUnavailable | None]:
    """Send what can be sent; without the keys that is what has its envelope already, and the reason comes along."""
    installation: Secret | None = None
    locked: KeyUnavailable | None = None
    try:
        installation = device.keys().installation
    except KeyUnavailable as error:
        if not device.has_store:
            raise
        locked = error
    columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=console(), disable=quiet, transient=True)
    with bar:
        task = bar.add_task("sending", total=None)

        def progress(step: SyncProgress) -> None:
            bar.update(task, completed=step.done, total=step.total)

        async with device.store(keyless=installation is None) as store:
            recovered = Recovered()
            if installation is not None:
                recovered = await recover(store, device.ledger, installation, clock=device.clock)
            report = await sync_all(
                store=store,
                ledger=device.ledger,
                installation=installation,
                clock=device.clock,
                progress=progress,
                study=study,
                audit=AuditFolder(device.home),
                sending=Sending(device.home),
                invitations=Invitations(device.home),
                bytes_per_s=None if limit is None else limit * 1000,
                ask_for_newer=True,
            )
    return recovered, report, locked


def _timer(every_s: int, *, undo: bool, as_json: bool) -> None:
    timer = timer_shell.plan(every_s)
    if not as_json and not undo:
        timer_shell.show(timer)
    report = timer_shell.undo(timer) if undo else timer_shell.install(timer)
    if as_json:
        print_json(report)
        return
    done = "Taken away" if undo else "Written"
    click.echo(f"{done}: {', '.join(report.files) or 'nothing; there was no timer'}")
    for command in report.failed:
        click.secho(f"This did not work here; run it yourself: {command}", fg="yellow")


def _explain(device: Device, study: str | None, *, as_json: bool) -> None:
    grants = device.ledger.grants(device.clock.wall_ms())
    grants = tuple(grant for grant in grants if study is None or grant.study == study)
    rows = asyncio.run(_plan(device, grants)) if device.has_store else []
    if as_json:
        print_json(rows)
        return
    shown = table("study", "segment", "events", "size", "what happens")
    for row in rows:
        shown.add_row(row.study, row.segment, str(row.events), bytes_text(row.bytes), row.what)
    console().print(shown if rows else "Nothing waits to be sent.")


class _Waiting(msgspec.Struct, frozen=True):
    """A segment that was not sent yet, and what becomes of it."""

    study: StudyId
    segment: str
    events: int
    bytes: int
    due_ms: int
    what: str


async def _plan(device: Device, grants: tuple[Grant, ...]) -> list[_Waiting]:
    now = device.clock.wall_ms()
    rows = []
    async with device.store() as store:
        for grant in grants:
            for info in await store.segments(grant.study):
                if info.state.value not in {"held", "enveloped"}:
                    continue
                due = info.sealed_ms + grant.hold_s * MS
                if grant.refusal is not None:
                    what = f"stays here: {grant.refusal}"
                elif due <= now:
                    what = "is sent by the next sync"
                else:
                    what = f"on hold until {local_time(due, '%Y-%m-%d %H:%M')}"
                number = f"{info.epoch}/{info.number}"
                rows.append(_Waiting(grant.study, number, info.count, info.size, due, what))
    return rows
