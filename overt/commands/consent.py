"""join, leave, studies: consent, shown in full, given or taken back."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from consent_ledger.grants import Grant
from consent_ledger.invitations import Invitations
from consent_ledger.scope import Narrowing
from consent_ledger.study import StudyManifest
from consent_ledger.study_parts import WorkspaceRule
from event_model.errors import ConsentError
from event_model.ids import RecordId, StudyId, is_study_id
from event_model.invitations import read_invitation
from event_model.levels import Level
from event_model.registry import REGISTRY, TEXT_FIELDS
from event_model.signed import Signed
from overt.console import console, json_option, local_time, print_json, span_text, table
from overt.device import Device
from overt.manifests import ask_for_newer, fetch_manifest
from overt.review.consenting import earlier_choice, with_dependents
from overt.withdrawing import withdraw
from sync_client.sign_on import enrol

SIGN_ON_WAIT_S = 300.0
"""How long a person may take to sign on in the browser."""

LEVEL_WORDS = {
    Level.RHYTHM: "that and when, no text",
    Level.SHAPE: "its shape: letters and digits replaced, lengths kept",
    Level.CONTENT: "its text, after secrets and personal data are taken out",
}


@click.command()
@click.argument("study")
@click.option("--lower", "lowered", multiple=True, metavar="KIND=LEVEL", help="Keep less than the study asks for.")
@click.option("--drop", "dropped", multiple=True, metavar="KIND", help="Keep nothing of a kind of event. Repeatable.")
@click.option("--deny", "denied", multiple=True, metavar="GLOB", help="Never capture files that match. Repeatable.")
@click.option("--deny-site", "sites", multiple=True, metavar="ORIGIN", help="Never capture a site. Repeatable.")
@click.option("--invitation", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Your invitation, where the study is by invitation only.")  # fmt: skip
@click.option("--sign-on", is_flag=True, help="Sign on in the browser, where the study's receiver asks for it.")
@click.option("--agree", is_flag=True, help="Agree without being asked; only after you have read the notice.")
@click.option("--decline", is_flag=True, help="Refuse without being asked; remembered, and costs nothing.")
@json_option
def join(
    study: str,
    lowered: Sequence[str],
    dropped: Sequence[str],
    denied: Sequence[str],
    sites: Sequence[str],
    invitation: Path | None,
    *,
    sign_on: bool,
    agree: bool,
    decline: bool,
    as_json: bool,
) -> None:
    """Read a study's notice in full, and join it if you like.

    STUDY is the signed manifest that the study's owner gave you: a file, or an https address. The name of a study that
    you joined shows it again, or its newer version that waits for your answer: give it less, or agree anew.
    Nothing is captured unless you agree, and you can leave at any time.

    \b
    overt join study.json
    overt join study.json --lower document.edit=shape --deny 'private/**'
    overt join typing-2026 --drop selection.change
    """
    device = Device()
    data = _known_manifest(device, study) or fetch_manifest(study)
    offer = device.ledger.offer(data)
    now = device.clock.wall_ms()
    if invitation is not None:
        shown = invitation.read_bytes()
        read_invitation(shown, study=offer.payload.id, owner=offer.key)
        Invitations(device.home).keep(offer.payload.id, shown)
    before = next((each for each in device.ledger.grants(now) if each.study == offer.payload.id), None)
    joined = before is not None and before.signed_record is not None
    asks = device.ledger.renew(data) if joined else ()
    if not as_json:
        show_offer(console(), offer)
        _say_what_is_known(device, offer, asks, joined=joined)
    elif not (agree or decline):
        raise _not_asked("--json asks no one")
    if decline or not (agree or _ask()):
        device.ledger.decline(data, now_ms=now)
        goes_on = (
            "Nothing is captured."
            if before is None or not before.live
            else "Nothing is captured for it until you agree; `overt leave` ends it."
            if asks
            else "What you agreed to goes on; `overt leave` ends it."
        )
        _say(as_json, {"study": offer.payload.id, "joined": joined}, f"You did not agree. {goes_on}")
        return
    accepted = device.ledger.manifest(offer.payload.id) if joined else None
    levels, left_out = earlier_choice(
        offer.payload,
        None if accepted is None else accepted.payload,
        None if before is None or before.signed_record is None else before.signed_record.payload,
    )
    narrowing = Narrowing() if before is None else before.narrowing
    keys = device.keys()
    record = device.ledger.join(
        data,
        installation=keys.installation,
        now_ms=now,
        levels=levels | parse_levels(lowered),
        drop=with_dependents(offer.payload, _kinds(offer.payload, [*left_out, *dropped])),
        deny=tuple(dict.fromkeys([*narrowing.deny, *denied])),
        deny_origins=tuple(dict.fromkeys([*narrowing.deny_origins, *sites])),
        workspaces=narrowing.workspaces,
    )
    if keys.warning and not as_json:
        click.secho(keys.warning, fg="yellow", err=True)
    if sign_on:
        _sign_on(device, offer.payload.id, record.record_id)
    _say(
        as_json,
        {"study": offer.payload.id, "joined": True, "record": record.record_id, "pseudonym": record.pseudonym},
        f"You have joined {offer.payload.title!r}. Your consent is kept as record {record.record_id}.\n"
        "`overt status` says what is captured, `overt pause` pauses, `overt leave` takes your consent back.",
    )


def _sign_on(device: Device, study: StudyId, record: RecordId) -> None:
    """Sign on, and have the receiver take the consent record. UploadError: if that fails; the consent stands."""
    (grant,) = (each for each in device.ledger.grants(device.clock.wall_ms()) if each.study == study)
    document = device.ledger.record_document(study, record)
    if document is None:
        raise ConsentError("the consent record can't be read", code="record-damaged")
    asyncio.run(
        enrol(
            grant, document, installation=device.keys().installation, clock=device.clock, show=_open_browser,
            wait_s=SIGN_ON_WAIT_S,
        )
    )  # fmt: skip


def _open_browser(address: str) -> None:
    click.echo(f"Sign on here, if no browser opens:\n{address}", err=True)
    # A browser in the terminal, or one that $BROWSER names, is waited for: not here, where it is to come back to.
    threading.Thread(target=_try_to_open, args=(address,), daemon=True).start()


def _try_to_open(address: str) -> None:
    with contextlib.suppress(OSError, webbrowser.Error):
        webbrowser.open(address)


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
    done = asyncio.run(
        withdraw(
            device,
            StudyId(study),
            keyless=lambda error: click.secho(
                f"{error.message}; you leave all the same, the request to erase follows later.", fg="yellow", err=True
            ),
        )
    )
    if not done.silent:
        click.secho("An upload that was under way is still being cut off.", fg="yellow", err=True)
    erased = done.erased
    _say(
        as_json,
        {"study": study, "left": True, "erased_here": erased, "requests_waiting": len(device.ledger.outbox())},
        f"You have left {study}. "
        + ("What was kept here is erased. " if erased else "")
        + "`overt sync` asks the receiver to erase what was sent.",
    )


@click.command()
@click.option("--ask", is_flag=True, help="First ask the studies' receivers for newer versions.")
@json_option
def studies(*, ask: bool, as_json: bool) -> None:
    """List the studies you have joined, what each may keep, and newer versions that wait for your answer."""
    device = Device()
    if ask:
        asyncio.run(ask_for_newer(device.ledger, device.clock.wall_ms()))
    grants = device.ledger.grants(device.clock.wall_ms())
    if as_json:
        print_json([_grant_json(device, grant) for grant in grants])
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
        if (newer := device.ledger.offered(grant.study)) is not None:
            click.secho(
                f"  version {newer.payload.version} waits for your answer: `overt join {grant.study}` shows it",
                fg="yellow",
            )
        for kind, level in grant.levels.items():
            click.echo(f"  {kind:<18} {level.value:<8} {REGISTRY[kind].sentence} {how_much(kind, level).capitalize()}.")


def how_much(kind: str, level: Level) -> str:
    """Say what a level means for one kind of event: most carry no text at all."""
    return LEVEL_WORDS[level] if kind in TEXT_FIELDS else "that, where and when"


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
    facts.add_row(
        "Filter", f"What you write waits {span_text(study.settle_s)} for the filter, which masks secrets it finds"
    )
    facts.add_row("Stays here first", f"{span_text(study.hold_s)}, in which you can look and forget")
    facts.add_row("Kept for", f"{study.retention_days} days after it was sent")
    facts.add_row("Sent to", escape(f"{study.receiver.url}, sealed: the receiver can't read it"))
    facts.add_row("In reports", f"only what at least {study.k} people share")
    facts.add_row(
        "In releases",
        f"times moved, and rounded to {span_text(study.release_round_s)}; gaps to {span_text(study.release_gap_s)}",
    )
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


def _known_manifest(device: Device, name: str) -> bytes | None:
    """Give a joined study's manifest by its name: the newer one that waits for an answer, else the accepted one."""
    if not is_study_id(name) or Path(name).exists():
        return None
    found = device.ledger.offered(StudyId(name)) or device.ledger.manifest(StudyId(name))
    return None if found is None else found.raw


def _say_what_is_known(device: Device, offer: Signed[StudyManifest], asks: Sequence[str], *, joined: bool) -> None:
    if asks:
        click.secho(
            f"This version changes {', '.join(asks)}. Until you answer, nothing is captured for it.", fg="yellow"
        )
    elif joined:
        click.echo("You take part in this study; agreeing again replaces your consent.")
    if device.ledger.was_declined(offer):
        click.echo("You said no to this version before. You are asked only because you opened it again.")


def _kinds(study: StudyManifest, kinds: Sequence[str]) -> list[str]:
    """Check that a study asks for the kinds that are to be left out. ConsentError: if not."""
    for kind in kinds:
        if kind not in study.kinds:
            names = ", ".join(study.kinds)
            raise ConsentError(
                f"the study does not ask for {kind!r}; it asks for {names}", code="kind-unknown", hint=""
            )
    return list(kinds)


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


def _grant_json(device: Device, grant: Grant) -> dict[str, object]:
    verdict: dict[str, object] = {"study": grant.study, "live": grant.refusal is None, "refusal": grant.refusal}
    if grant.signed_manifest is None or grant.signed_record is None:
        return verdict
    newer = device.ledger.offered(grant.study)
    return verdict | {
        "offered_version": None if newer is None else newer.payload.version,
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
