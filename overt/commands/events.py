"""show, forget, export, verify: everything that was captured, in plain words, and out of the store again."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from event_model.errors import OvertError, StoreError
from event_model.ids import SessionId, StudyId
from event_model.receipts import SentSpan
from local_store.forgetting import Selection
from local_store.store import Forgotten, Store, StoredEvent
from local_store.weighing import Weighed
from overt.audit import check_kept
from overt.console import DURATION, MOMENT, console, json_option, local_time, print_json, table
from overt.device import Device
from overt.forgetting import forget as forget_selected
from overt.forgetting import forget_sent
from overt.words import Names, sentence
from sync_client.audit import AuditFolder

MS = 1000

PATHS_SHOWN = 8
"""Files that a question names; the rest is counted."""


@click.command()
@click.option("--last", type=DURATION, default="1h", show_default=True, help="How far back to look: 30m, 2h, 7d.")
@click.option("--study", help="Only this study.")
@click.option("--all", "everything", is_flag=True, help="From the very beginning.")
@click.option("--brief", is_flag=True, help="A sentence for each stretch of work, masked as it will be sealed.")
@json_option
def show(last: int, study: str | None, *, everything: bool, brief: bool, as_json: bool) -> None:
    """Show every event that was captured, in plain words.

    What is pending was not masked yet: secrets in it are taken out before it is sealed, and never leave as they are.
    """
    device = Device()
    if not device.has_store:
        _nothing(as_json=as_json)
        return
    since = None if everything else device.clock.wall_ms() - last * MS
    if brief:
        asyncio.run(_show_brief(device, since or 0, study, as_json=as_json))
        return
    asyncio.run(_show(device, since, study, as_json=as_json))


@click.command()
@click.option("--last", type=DURATION, help="What was captured in this time: 10m, 2h.")
@click.option("--since", type=MOMENT, help="What was captured from this moment on: 2026-01-05 or 2026-01-05T14:30.")
@click.option("--until", type=MOMENT, help="What was captured before this moment.")
@click.option("--file", "path", help="One file, as `overt show` names it.")
@click.option("--site", help="One site, such as https://tickets.example.org.")
@click.option("--session", help="One session.")
@click.option("--event", "index", type=int, help="One event of --session, by its number.")
@click.option("--study", help="One study; alone, everything that is kept for it.")
@click.option("--all", "everything", is_flag=True, help="Everything.")
@click.option("--sent", is_flag=True, help="At the receiver: what came there from --study since --since until --until.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def forget(
    last: int | None,
    since: datetime | None,
    until: datetime | None,
    path: str | None,
    site: str | None,
    session: str | None,
    index: int | None,
    study: str | None,
    *,
    everything: bool,
    sent: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase what was captured. What was already sent is asked back by the next `overt sync`.

    --sent asks a study's receiver to erase all that came there from you in a span of time, also what this device no
    longer has, for instance after a new start with restored keys. What lies on this device stays.

    \b
    overt forget --last 10m
    overt forget --file src/billing.py
    overt forget --since 2026-01-05 --until 2026-01-06T12:00
    overt forget --sent --study typing-2026 --since 2026-01-05
    overt forget --all
    """
    if not (everything or last or since or until or path or site or session or study):
        raise click.UsageError("say what to forget: --last, --since, --file, --site, --session, --study or --all")
    if index is not None and session is None:
        raise click.UsageError("--event needs --session")
    if last is not None and since is not None:
        raise click.UsageError("--last and --since say the same; give one")
    device = Device()
    if sent:
        if study is None or everything or path or site or session:
            raise click.UsageError("--sent goes with --study and a span of time alone")
        forget_sent(device, StudyId(study), _span(device, last, since, until), yes=yes, as_json=as_json)
        return
    if not device.has_store:
        _nothing(as_json=as_json)
        return
    named = Selection(
        study=None if study is None else StudyId(study),
        indexes=None if index is None else frozenset({index}),
        path=path,
        site=site,
        since_ms=device.clock.wall_ms() - last * MS if last is not None else None if since is None else _ms(since),
        until_ms=None if until is None else _ms(until),
    )
    forgotten = asyncio.run(_forget(device, named, session, yes=yes))
    if as_json:
        print_json(
            {
                "events": forgotten.events,
                "segments": forgotten.segments,
                "asked_back": len(forgotten.uploaded_segments),
            }
        )
        return
    click.echo(f"Forgotten: {forgotten.events} events in {forgotten.segments} segments.")
    if forgotten.uploaded_segments:
        click.echo(f"{len(forgotten.uploaded_segments)} segments were already sent; `overt sync` asks them back.")


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write; a folder for editing-traces.")
@click.option(
    "--format", "form", type=click.Choice(("jsonl", "editing-traces", "html")), default="jsonl", show_default=True
)
@click.option("--study", help="Only this study.")
@click.option("--language", type=click.Choice(("en", "de")), help="Of the page; yours if left out.")
def export(output: Path | None, form: str, study: str | None, language: str | None) -> None:
    """Write your own data: as JSON Lines, as editing traces, or as a page to read.

    jsonl has one event a line, with study, session and state, as it lies in the store. editing-traces has one file a
    document, which other tools replay. html is one page to read or print: your days in sentences, and each document.
    The last two are masked as what is sent will be.

    \b
    overt export -o events.jsonl
    overt export --format editing-traces -o traces/
    overt export --format html -o my-data.html
    """
    if form != "jsonl" and output is None:
        raise click.UsageError(f"--format {form} needs -o")
    device = Device()
    if not device.has_store:
        raise StoreError("nothing was captured yet, so there is nothing to export", code="store-empty", hint="")
    try:
        what = asyncio.run(_export(device, output, form, study, language=language))
    except OSError as error:
        raise OvertError(
            f"can't write {output}: {error.strerror}", code="output", hint="Choose another file."
        ) from error
    click.echo(what, err=True)


@click.command()
@json_option
def verify(*, as_json: bool) -> None:
    """Check every byte of the local store, and the studies' audit logs as last read.

    Exit code 6 when something is damaged, 10 when a log was rewritten. `overt audit` asks the receivers.
    """
    device = Device()
    grants = device.ledger.grants(device.clock.wall_ms())
    logs = check_kept(
        AuditFolder(device.home), device.ledger, [grant.study for grant in grants if grant.signed_manifest]
    )
    for log in logs:
        if log.problem:
            click.secho(f"  {log.detail} [{log.problem}]", fg="red", err=True)
        elif log.entries is not None and not as_json:
            click.echo(f"{log.study}: {log.entries} entries of its audit log hold.")
    rewritten = any(log.problem for log in logs)
    if not device.has_store:
        if rewritten:
            sys.exit(10)
        _nothing(as_json=as_json)
        return
    report = asyncio.run(device.verified())
    if as_json:
        print_json(report)
    else:
        click.echo(f"{report.segments} segments, {report.events} events; {len(report.damaged)} damaged.")
        for each in report.damaged:
            click.secho(f"  {each.what} of {each.study}: {each.events} events. {each.detail}", fg="red")
        for gap in report.gaps:
            click.secho(f"  {gap.study}: events {gap.start} to {gap.end - 1} are missing", fg="red")
        for path in report.set_aside:
            click.echo(f"A damaged database was set aside, its whole part brought over: {path}")
            click.echo("It goes when you forget something, because it may hold that, too.")
    if not report.sound:
        sys.exit(6)
    if rewritten:
        sys.exit(10)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * MS


def _span(device: Device, last: int | None, since: datetime | None, until: datetime | None) -> SentSpan:
    now_ms = device.clock.wall_ms()
    since_ms = now_ms - last * MS if last is not None else 0 if since is None else _ms(since)
    until_ms = now_ms if until is None else _ms(until)
    if not 0 <= since_ms < until_ms:
        raise click.UsageError("this span of time has no length")
    return SentSpan(since_ms, until_ms)


async def _events(store: Store, since: int | None, study: str | None) -> AsyncIterator[StoredEvent]:
    async for each in store.events(study=None if study is None else StudyId(study), since_ms=since):
        yield each


async def _show(device: Device, since: int | None, study: str | None, *, as_json: bool) -> None:
    sessions: dict[SessionId, Names] = {}
    async with device.store() as store:
        rows = table("when", "study", "state", "session", "#", "what")
        async for each in _events(store, since, study):
            if as_json:
                print_json(each)
                continue
            words = sentence(each.event.body, sessions.setdefault(each.session, {}))
            when = local_time(each.event.wall_ms)
            rows.add_row(when, each.study, each.state, each.session[:8], str(each.event.index), words)
    if not as_json:
        _print(rows)


def _print(rows: Table) -> None:
    """Print a table, through the pager where it is longer than the screen."""
    out = console()
    if rows.row_count and out.is_terminal and rows.row_count > out.height:
        with out.pager(styles=True):
            out.print(rows)
    else:
        out.print(rows if rows.row_count else "Nothing was captured in this time.")


async def _forget(device: Device, named: Selection, session: str | None, *, yes: bool) -> Forgotten:
    async with device.store() as store:
        if session is not None:
            named = msgspec.structs.replace(named, session=await _whole_session(store, session))
        if not yes:
            with _bar("counting") as tell:
                weighed = await store.weigh(named, tell)
            _ask(weighed)
        with _bar("forgetting") as tell:
            return await forget_selected(device, store, named, tell)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal's error stream how far something is that goes through the whole store."""
    bar = Progress(TextColumn(what), BarColumn(), TaskProgressColumn(), console=Console(stderr=True), transient=True)
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _ask(weighed: Weighed) -> None:
    """Say what would go, and ask. Abort: if the answer is no."""
    if not weighed:
        click.echo("Nothing is kept that this names.")
        raise click.exceptions.Exit(0)
    click.echo(f"This erases {weighed.events} events from this machine.")
    for path in weighed.set_aside:
        click.echo(f"A damaged database goes with it, because it may hold some of it, too: {path}")
    if weighed.paths:
        names = sorted(weighed.paths)
        more = f" and {len(names) - PATHS_SHOWN} more" if len(names) > PATHS_SHOWN else ""
        click.echo(f"They are in {', '.join(names[:PATHS_SHOWN])}{more}.")
    if weighed.sent:
        click.echo(f"{weighed.sent} segments with them were sent; all of those are asked back from the receiver.")
    if not click.confirm("This can't be undone. Forget it?", default=False):
        raise click.Abort


async def _show_brief(device: Device, since: int, study: str | None, *, as_json: bool) -> None:
    from overt.exporting import brief, catalogue_of  # noqa: PLC0415 - the filter's rules are loaded for this alone

    rows = table("when", "study", "state", "what")
    async with catalogue_of(device) as catalogue:
        async for entry, words in brief(catalogue, since, study):
            if as_json:
                print_json({"start_ms": entry.stretch.start_ms, "end_ms": entry.stretch.end_ms, "study": entry.study,
                            "session": entry.session, "state": entry.state, "words": words})  # fmt: skip
            else:
                rows.add_row(local_time(entry.stretch.start_ms), entry.study, entry.state, escape(words))
    if not as_json:
        _print(rows)


async def _whole_session(store: Store, prefix: str) -> SessionId:
    """Complete a session's name from its first letters. StoreError: if none or several begin so."""
    found = [info.session for info in await store.sessions() if info.session.startswith(prefix)]
    if len(found) != 1:
        raise StoreError(
            f"{len(found)} sessions begin with {prefix!r}", code="session-unknown", hint="`overt show` names them."
        )
    return found[0]


async def _export(device: Device, output: Path | None, form: str, study: str | None, *, language: str | None) -> str:
    if form == "jsonl" or output is None:
        return f"{await _export_lines(device, output, study)} events"
    from overt.exporting import catalogue_of, own_language, write_report, write_traces  # noqa: PLC0415 - as in _show_brief

    async with catalogue_of(device) as catalogue:
        if form == "html":
            spoken = language or own_language(device.home, os.environ)
            return f"{await write_report(catalogue, output, study, spoken)} stretches of work"
        return f"{await write_traces(catalogue, output, study)} documents"


async def _export_lines(device: Device, output: Path | None, study: str | None) -> int:
    count = 0
    with output.open("wb") if output else sys.stdout.buffer as file:
        async with device.store() as store:
            async for each in _events(store, None, study):
                file.write(msgspec.json.encode(each) + b"\n")
                count += 1
    return count


def _nothing(*, as_json: bool) -> None:
    if as_json:
        print_json([])
    else:
        click.echo("Nothing was captured on this machine.")
