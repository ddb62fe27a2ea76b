"""status, pause, resume: what is captured now, and why not."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import click
import msgspec

from capture_gate.decision import SENTENCES
from capture_gate.locate import locate
from capture_gate.permissions import Permissions
from consent_ledger.scope import Location
from event_model.errors import OvertError
from overt.console import DURATION, bytes_text, console, json_option, local_time, print_json, table
from overt.device import Device

MS = 1000


class FileVerdict(msgspec.Struct, frozen=True):
    """Whether one file is captured, and the reasons why not; ``rules`` are the patterns that deny it."""

    path: str
    captured: bool
    reasons: tuple[str, ...]
    rules: tuple[str, ...] = ()


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
def status(file: Path | None, *, as_json: bool) -> None:
    """Say what is captured now, where, for which study; and why not, if not.

    With FILE, say it for that file.
    """
    device = Device()
    permissions = Permissions(device.ledger, device.clock)
    permissions.changed(now=True)
    if file is not None:
        _file_status(permissions, file, as_json=as_json)
        return
    state = "paused" if permissions.paused else "ready" if any(permissions.live()) else "off"
    kept = asyncio.run(_kept(device)) if device.has_store else {}
    if as_json:
        print_json(
            {
                "state": state,
                "paused_until_ms": permissions.paused_until_ms,
                "home": str(device.home),
                "studies": [
                    {"study": grant.study, "live": grant.refusal is None, "refusal": grant.refusal}
                    for grant in permissions.grants.values()
                ],
                "requests_waiting": len(device.ledger.outbox()),
                **kept,
            }
        )
        return
    _show_status(device, permissions, state, kept)


@click.command()
@click.argument("duration", required=False, type=DURATION)
@json_option
def pause(duration: int | None, *, as_json: bool) -> None:
    """Pause all capture on this machine, for DURATION (30m, 2h) or until `overt resume`.

    What you type meanwhile is not captured as you type it. A file that you save after the pause is captured as it
    then is, with what you wrote: `overt forget --file` or a `--deny` keeps a whole file out.
    """
    device = Device()
    now = device.clock.wall_ms()
    until = None if duration is None else now + duration * MS
    device.ledger.pause(until, now)
    if as_json:
        print_json({"state": "paused", "paused_until_ms": until})
    else:
        click.echo("Paused " + (f"until {local_time(until, '%H:%M')}." if until else "until you run `overt resume`."))


@click.command()
@json_option
def resume(*, as_json: bool) -> None:
    """End the pause. Files that are open in an editor come back when they are saved or opened again."""
    device = Device()
    device.ledger.resume()
    if as_json:
        print_json({"state": "resumed"})
    else:
        click.echo("Capture goes on where your studies ask for it.")


def _file_status(permissions: Permissions, file: Path, *, as_json: bool) -> None:
    location = locate(file)
    captured = any(True for _ in permissions.admitting(location)) and not permissions.paused
    reasons = ["paused"] if permissions.paused else []
    if not captured:
        reasons.extend(refusal.code for refusal in permissions.refusals(location))
    verdict = FileVerdict(str(file.absolute()), captured, tuple(reasons), _denying(permissions, location))
    if as_json:
        print_json(verdict)
        return
    click.echo(f"{file} is " + ("captured." if captured else "not captured:"))
    for code in reasons:
        click.echo(f"  {SENTENCES.get(code, '')} [{code}]")
    for rule in verdict.rules:
        click.echo(f"  The rule is {rule}")


def _denying(permissions: Permissions, location: Location | None) -> tuple[str, ...]:
    """Name the patterns that deny a place, of every live study, once each."""
    if location is None:
        return ()
    verdicts = [grant.scope.decide(location) for grant in permissions.live()]
    return tuple(dict.fromkeys(each.rule for each in verdicts if not each.allowed and each.rule))


def _show_status(device: Device, permissions: Permissions, state: str, kept: dict[str, object]) -> None:
    words = {
        "ready": ("Capture is on wherever an editor runs overt and your studies ask for it.", "green"),
        "paused": ("Capture is paused.", "yellow"),
        "off": ("Nothing is captured.", None),
    }
    sentence, colour = words[state]
    until = permissions.paused_until_ms
    if state == "paused":
        sentence = "Capture is paused " + (f"until {local_time(until)}." if until else "until you run `overt resume`.")
    click.secho(sentence, fg=colour, bold=True)
    if not permissions.grants:
        click.echo(SENTENCES["no-consent"])
    for grant in permissions.grants.values():
        reason = "on" if grant.refusal is None else f"off: {grant.detail}"
        title = grant.manifest.title if grant.signed_manifest else grant.study
        click.echo(f"  {title} ({grant.study}): {reason}")
    segments = kept.get("segments")
    if isinstance(segments, dict) and segments:
        rows = table("On this machine", "segments")
        for name, count in segments.items():
            rows.add_row(name, str(count))
        console().print(rows)
    size = kept.get("store_bytes")
    if isinstance(size, int):
        click.echo(f"The store takes {bytes_text(size)} in {device.home}. `overt show` shows what is in it.")
    if pending := kept.get("pending"):
        click.echo(f"{pending} events are not sealed yet: an editor is at work, or the next `overt sync` seals them.")
    trouble = kept.get("trouble")
    if isinstance(trouble, dict):
        click.secho(f"Nothing can be captured: {trouble['message']}. {trouble['hint']} [{trouble['code']}]", fg="red")
    elif isinstance(segments, dict) and (damaged := segments.get("damaged")):
        click.secho(f"{damaged} segments are damaged and set aside; `overt verify` says which.", fg="red")
    if kept.get("older_copies"):
        click.echo("An older copy of the store was put back here; what was sealed since it was made is not in it.")
    if isinstance(aside := kept.get("set_aside"), tuple) and aside:
        click.echo(f"A damaged database was mended; `overt verify` says what is missing. It is kept as {aside[-1]}")
    if waiting := len(device.ledger.outbox()):
        click.echo(f"{waiting} requests to erase wait for the next `overt sync`.")


async def _kept(device: Device) -> dict[str, object]:
    """Count what is kept: without a key what needs none, and of a damaged store what can be read."""
    kept: dict[str, object] = {}
    trouble: OvertError | None = None
    try:
        device.keys()
    except OvertError as error:
        trouble = error
    try:
        async with device.store(keyless=trouble is not None) as store:
            kept["store_bytes"] = await store.size_bytes()
            segments = await store.segments()
            kept["segments"] = dict(Counter(info.state.value for info in segments))
            kept["sealed_bytes"] = sum(info.size for info in segments)
            kept["pending"] = (await store.stats()).pending
            kept["older_copies"] = await store.times_rewound()
            kept["set_aside"] = store.set_aside()
    except OvertError as error:
        trouble = trouble or error
    if trouble is not None:
        kept["trouble"] = {"code": trouble.code, "message": trouble.message, "hint": trouble.hint}
    return kept
