"""join, leave, studies: consent, shown in full, given or taken back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import click
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from consent_ledger.grants import Grant
from consent_ledger.study import StudyManifest, WorkspaceRule
from event_model.errors import ConsentError, OvertError
from event_model.ids import StudyId
from event_model.levels import Level
from event_model.registry import REGISTRY, TEXT_FIELDS
from event_model.signed import Signed
from overt.console import console, json_option, local_time, print_json, span_text, table
from overt.device import Device
from overt.manifests import fetch_manifest
from sync_client.sending import Sending

LEVEL_WORDS = {
    Level.RHYTHM: "that and when, no text",
    Level.SHAPE: "its shape: letters and digits replaced, lengths kept",
    Level.CONTENT: "its text, after secrets and personal data are taken out",
}


@click.command()
@click.argument("study")
@click.option("--lower", "lowered", multiple=True, metavar="KIND=LEVEL", help="Keep less than the study asks for.")
@click.option("--deny", "denied", multiple=True, metavar="GLOB", help="Never capture files that match. Repeatable.")
@click.option("--agree", is_flag=True, help="Agree without being asked; only after you have read the notice.")
@click.option("--decline", is_flag=True, help="Refuse without being asked; remembered, and costs nothing.")
@json_option
def join(
    study: str, lowered: Sequence[str], denied: Sequence[str], *, agree: bool, decline: bool, as_json: bool
) -> None:
    """Read a study's notice in full, and join it if you like.

    STUDY is the signed manifest that the study's owner gave you: a file, or an https address.
    Nothing is captured unless you agree, and you can leave at any time.

    \b
    overt join study.json
    overt join study.json --lower document.edit=shape --deny 'private/**'
    """
    device = Device()
    data = fetch_manifest(study)
    offer = device.ledger.offer(data)
    now = device.clock.wall_ms()
    before = next((each for each in device.ledger.grants(now) if each.study == offer.payload.id and each.live), None)
    if not as_json:
        show_offer(console(), offer)
    elif not (agree or decline):
        raise _not_asked("--json asks no one")
    if decline or not (agree or _ask()):
        device.ledger.decline(data, now_ms=now)
        goes_on = "Nothing is captured." if before is None else "What you agreed to goes on; `overt leave` ends it."
        _say(as_json, {"study": offer.payload.id, "joined": before is not None}, f"You did not agree. {goes_on}")
        return
    levels = _kept_levels(before, offer.payload) | parse_levels(lowered)
    kept = () if before is None else before.narrowing.deny
    workspaces = () if before is None else before.narrowing.workspaces
    keys = device.keys()
    record = device.ledger.join(
        data,
        installation=keys.installation,
        now_ms=now,
        levels=levels,
        deny=tuple(dict.fromkeys([*kept, *denied])),
        workspaces=workspaces,
    )
    if keys.warning and not as_json:
        click.secho(keys.warning, fg="yellow", err=True)
    _say(
        as_json,
        {"study": offer.payload.id, "joined": True, "record": record.record_id, "pseudonym": record.pseudonym},
        f"You have joined {offer.payload.title!r}. Your consent is kept as record {record.record_id}.\n"
        "`overt status` says what is captured, `overt pause` pauses, `overt leave` takes your consent back.",
    )


@click.command()
@click.argument("study")
@json_option
def leave(study: str, *, as_json: bool) -> None:
    """Take your consent back: capture stops at once, and what is on this machine is erased.

    What was already sent is asked back: the request waits in its own queue, and `overt sync` delivers it until the
    receiver confirms. Needs no network and no disk space.
    """
    device = Device()
    known = {grant.study for grant in device.ledger.grants(device.clock.wall_ms())}
    if StudyId(study) not in known:
        raise ConsentError(f"you have not joined a study named {study!r}", code="study-unknown")
    installation = None
    try:
        installation = device.keys().installation
    except OvertError as error:
        click.secho(
            f"{error.message}; you leave all the same, the request to erase follows later.", fg="yellow", err=True
        )
    device.ledger.leave(StudyId(study), now_ms=device.clock.wall_ms(), installation=installation)
    if not Sending(device.home).wait_until_silent(StudyId(study)):
        click.secho("An upload that was under way is still being cut off.", fg="yellow", err=True)
    erased = asyncio.run(_erase(device, StudyId(study))) if device.has_store else False
    _say(
        as_json,
        {"study": study, "left": True, "erased_here": erased, "requests_waiting": len(device.ledger.outbox())},
        f"You have left {study}. "
        + ("What was kept here is erased. " if erased else "")
        + "`overt sync` asks the receiver to erase what was sent.",
    )


@click.command()
@json_option
def studies(*, as_json: bool) -> None:
    """List the studies you have joined, and what each may keep."""
    device = Device()
    grants = device.ledger.grants(device.clock.wall_ms())
    if as_json:
        print_json([_grant_json(grant) for grant in grants])
        return
    if not grants:
        click.echo("You have not joined a study. Nothing is captured.")
        return
    for grant in grants:
        state = "live" if grant.refusal is None else f"off: {grant.refusal}"
        if grant.signed_manifest is None or grant.signed_record is None:
            click.secho(grant.study, bold=True)
            click.echo(f"  {state}. {grant.detail}")
            continue
        click.secho(f"{grant.manifest.title} ({grant.study}, version {grant.manifest.version})", bold=True)
        click.echo(f"  {state}; joined {local_time(grant.record.given_ms)}; record {grant.record.record_id}")
        for kind, level in grant.levels.items():
            click.echo(f"  {kind:<18} {level.value:<8} {REGISTRY[kind].sentence} {how_much(kind, level).capitalize()}.")


def how_much(kind: str, level: Level) -> str:
    """Say what a level means for one kind of event: most carry no text at all."""
    return LEVEL_WORDS[level] if kind in TEXT_FIELDS else "that, where and when; it has no text"


def parse_levels(pairs: Sequence[str]) -> dict[str, Level]:
    """Read ``KIND=LEVEL`` pairs. ConsentError: if a level has no such name."""
    levels: dict[str, Level] = {}
    for pair in pairs:
        kind, _, name = pair.partition("=")
        try:
            levels[kind] = Level(name)
        except ValueError as error:
            names = ", ".join(level.value for level in Level)
            raise ConsentError(f"{pair!r}: the level is one of {names}", code="level-unknown", hint="") from error
    return levels


def show_offer(out: Console, offer: Signed[StudyManifest]) -> None:
    """Show a study in full: the notice as its owner wrote it, then what the software will hold it to."""
    study = offer.payload
    # As plain text: nothing that is signed may be hidden by markup.
    title = Text(f"{study.title} ({study.id}, version {study.version})", style="bold")
    out.print(Panel(Text(study.notice), title=title))
    facts = table("", "")
    facts.add_row("Who asks", escape(f"{study.controller.name}, {study.controller.contact}"))
    facts.add_row("What for", escape("\n".join(purpose.text for purpose in study.purposes)))
    facts.add_row("Legal basis", escape(study.legal_basis))
    facts.add_row("From, until", f"{study.start} to {study.end}")
    facts.add_row("Stays here first", f"{span_text(study.hold_s)}, in which you can look and forget")
    facts.add_row("Kept for", f"{study.retention_days} days after it was sent")
    facts.add_row("Sent to", escape(f"{study.receiver.url}, sealed: the receiver can't read it"))
    facts.add_row("In reports", f"only what at least {study.k} people share")
    facts.add_row("Where", escape("\n".join(_workspace(each) for each in study.scope.workspaces)) or "nowhere")
    facts.add_row("But never", escape(", ".join(study.scope.deny)) or "what overt refuses everywhere (keys, .env, ...)")
    out.print(facts)
    out.print()
    kinds = table("What", "", "How much of it")
    for kind, level in study.kinds.items():
        kinds.add_row(kind, REGISTRY[kind].sentence, how_much(kind, level))
    out.print(kinds)
    out.print()


def _workspace(rule: WorkspaceRule) -> str:
    parts = [f"working copies of {rule.remote}" if rule.remote else "", f"files {rule.path}" if rule.path else ""]
    return ", ".join(part for part in parts if part)


def _kept_levels(before: Grant | None, study: StudyManifest) -> dict[str, Level]:
    """Give what the person lowered before, where the study would take more: joining again takes nothing back."""
    if before is None:
        return {}
    return {kind: level for kind, level in before.levels.items() if kind in study.kinds and level < study.kinds[kind]}


def _not_asked(cause: str) -> ConsentError:
    return ConsentError(
        f"{cause}, so you can't be asked",
        code="consent-not-asked",
        hint="Run it in a terminal, or add --agree or --decline after reading the notice.",
    )


def _ask() -> bool:
    if not sys.stdin.isatty():
        raise _not_asked("this is not a terminal")
    return click.confirm("Do you want to join? You can leave at any time", default=False)


async def _erase(device: Device, study: StudyId) -> bool:
    async with device.store(keyless=True) as store:
        await store.forget_study(study)
    return True


def _grant_json(grant: Grant) -> dict[str, object]:
    verdict: dict[str, object] = {"study": grant.study, "live": grant.refusal is None, "refusal": grant.refusal}
    if grant.signed_manifest is None or grant.signed_record is None:
        return verdict
    return verdict | {
        "version": grant.manifest.version,
        "title": grant.manifest.title,
        "record": grant.record.record_id,
        "pseudonym": grant.record.pseudonym,
        "joined_ms": grant.record.given_ms,
        "levels": {kind: level.value for kind, level in grant.levels.items()},
        "hold_s": grant.manifest.hold_s,
        "retention_days": grant.manifest.retention_days,
    }


def _say(as_json: bool, value: dict[str, object], sentence: str) -> None:  # noqa: FBT001 - the flag of every command
    if as_json:
        print_json(value)
    else:
        click.echo(sentence)
