"""study invite, revoke: who may take part, where a study is by invitation or sign-on only."""

from __future__ import annotations

import secrets
from pathlib import Path

import click
import httpx
import msgspec

from event_model.clock import SystemClock
from event_model.errors import AuditError, UploadError
from event_model.invitations import REVOCATION, Revocation, make_invitation, read_invitation
from event_model.sign_on import SignOnSettings, person_digest
from event_model.signed import sign_document
from overt.console import json_option, print_json
from overt.keyfiles import read_signing_key
from overt.manifests import signed_study

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
ID_BYTES = 16
DAY_MS = 86_400_000
TIMEOUT_S = 30.0


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3650), help="How long they hold.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A folder for the files, one each.")
@json_option
def invite(folder: Path, count: int, days: int, out: Path, *, as_json: bool) -> None:
    """Make invitations to the study in FOLDER, each for one installation, once.

    Serve the study with --invited-only, give each person one file: `overt join study.json --invitation FILE`. You know
    whom you gave which; the receiver learns only that someone who was invited takes part.
    """
    study = signed_study(folder).payload.id
    owner = read_signing_key(folder / "owner.key")
    expires_ms = SystemClock().wall_ms() + days * DAY_MS
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = []
    for _ in range(count):
        identity = secrets.token_hex(ID_BYTES)
        file = out / f"{identity}.invitation"
        file.write_bytes(make_invitation(study, owner, identity=identity, expires_ms=expires_ms))
        files.append(str(file))
    if as_json:
        print_json({"invitations": files})
    else:
        click.echo(f"Made {count} invitation{'s' if count > 1 else ''} to {study} in {out}, good for {days} days.")


@click.command()
@click.argument("folder", type=FOLDER)
@click.argument("invitation", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--subject", help="The person's subject (sub) at the sign-on provider, where people sign on.")
@json_option
def revoke(folder: Path, invitation: Path | None, subject: str | None, *, as_json: bool) -> None:
    """Take an INVITATION back, or a person's place by their --subject: they can send no more.

    What they sent stays until they ask for its erasure. Of a person all installations are shut out, and none comes
    back. The receiver is told a digest of the subject, not the subject. It stands in the study's audit log.
    """
    if (invitation is None) == (subject is None):
        raise click.UsageError("give an INVITATION or a --subject")
    study = signed_study(folder).payload
    owner = read_signing_key(folder / "owner.key")
    base = study.receiver.url.rstrip("/")
    now_ms = SystemClock().wall_ms()
    if invitation is not None:
        given = read_invitation(invitation.read_bytes(), study=study.id, owner=owner.verify_key)
        revocation, whom = Revocation(study.id, given.id, now_ms), f"whoever used {given.id}"
    else:
        person = person_digest(_issuer(base), study.id, subject or "")
        revocation, whom = Revocation(study.id, "", now_ms, person), "this person"
    data = sign_document(REVOCATION, revocation, owner)
    answer = _asked("POST", f"{base}/v1/studies/{study.id}/revocations", data)
    if answer.status_code != httpx.codes.CREATED:
        text = f"the receiver refuses the revocation (it answered {answer.status_code})"
        raise AuditError(text, code="statement-refused", hint="It must serve this study, signed by this owner.key.")
    if as_json:
        print_json({"study": study.id, "revoked": revocation.invitation or revocation.person})
    else:
        click.echo(f"Revoked: {whom} takes part in {study.id} no more.")


def _issuer(base: str) -> str:
    """Ask the receiver where people sign on."""
    answer = _asked("GET", f"{base}/v1/receiver")
    try:
        about = msgspec.json.decode(answer.content, type=_About)
    except msgspec.DecodeError as error:
        raise AuditError("the receiver does not say where people sign on", code="sign-on-unknown") from error
    if about.sign_on is None:
        hint = "Take the invitation back that the person had: overt study revoke FOLDER INVITATION."
        raise AuditError("nobody signs on at this receiver", code="sign-on-unknown", hint=hint)
    return about.sign_on.issuer


def _asked(method: str, url: str, content: bytes | None = None) -> httpx.Response:
    try:
        return httpx.request(method, url, content=content, timeout=TIMEOUT_S, follow_redirects=False)
    except httpx.HTTPError as error:
        raise UploadError(f"the receiver can't be reached: {error}", hint="Nothing was revoked; try again.") from error


class _About(msgspec.Struct):
    sign_on: SignOnSettings | None = None
