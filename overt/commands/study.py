"""study new, sign, check: what a study owner does before anyone is asked."""

from __future__ import annotations

import datetime
import os
import secrets
from pathlib import Path

import click

from consent_ledger.manifest import read_manifest, sign_manifest
from consent_ledger.study import StudyManifest
from consent_ledger.study_parts import WorkspaceRule
from consent_ledger.study_toml import manifest_from_toml, study_template
from event_model.errors import ManifestError
from event_model.keys import RECIPIENT_SECRET_BYTES, SEED_BYTES, RecipientSecretKey, Secret, SigningKey, encode_key
from overt.commands import custody, invitations
from overt.commands.consent import show_offer
from overt.console import console, json_option, print_json
from overt.keyfiles import read_signing_key, write_recipient_key, write_signing_key

OWNER_KEY = "owner.key"
STUDY_KEY = "study.key"
RECEIVER_KEY = "receiver.key"

STUDY_DAYS = 365
"""How long a new study lasts, unless its owner says otherwise."""


@click.group()
def study() -> None:
    """For the study owner: make a study, sign it, check it.

    \b
    overt study new typing-2026 --title "How we edit" --receiver https://overt.example.org
    $EDITOR typing-2026/study.toml
    overt study sign typing-2026
    overt study check typing-2026/study.json
    overt study keys split typing-2026
    """


study.add_command(custody.keys)
study.add_command(invitations.invite)
study.add_command(invitations.revoke)


@study.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--title", required=True, help="What the study is called.")
@click.option("--receiver", "receiver_url", required=True, help="The receiver's address.")
@click.option(
    "--remote", "remotes", multiple=True, help="Working copies with a remote that matches this glob. Repeatable."
)
@click.option("--path", "paths", multiple=True, help="Files under folders that match this glob. Repeatable.")
@json_option
def new(
    folder: Path, title: str, receiver_url: str, remotes: tuple[str, ...], paths: tuple[str, ...], *, as_json: bool
) -> None:
    """Make a study: a manifest to fill in, and three keys.

    FOLDER is made; its name is the study's id. owner.key signs the manifest, study.key opens the data (split it
    among custodians), receiver.key is for the receiver. Keep them apart.
    """
    keys = create_study(folder, title=title, receiver_url=receiver_url, remotes=remotes, paths=paths)
    if as_json:
        print_json(keys)
        return
    click.echo(f"Made {folder}: fill in study.toml, then run `overt study sign {folder}`.")
    click.echo(f"  {OWNER_KEY:<13} signs the manifest: keep it with the owner")
    click.echo(f"  {STUDY_KEY:<13} opens the data: keep it off-line, with the custodians")
    click.echo(f"  {RECEIVER_KEY:<13} signs receipts: give it to `overt serve`")


@study.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--key", type=click.Path(path_type=Path), help=f"The owner's key; {OWNER_KEY} in the folder by default.")
@json_option
def sign(folder: Path, key: Path | None, *, as_json: bool) -> None:
    """Check study.toml in FOLDER, sign it, and write study.json, which people join by."""
    manifest = load_toml(folder / "study.toml")
    target = sign_study(folder, read_signing_key(key or folder / OWNER_KEY))
    if as_json:
        print_json({"study": manifest.id, "version": manifest.version, "manifest": str(target)})
    else:
        click.echo(f"Signed {manifest.id} version {manifest.version}: {target}")


@study.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def check(file: Path, *, as_json: bool) -> None:
    """Check a manifest (study.toml or a signed study.json) and show it as people will see it."""
    if file.suffix == ".toml":
        manifest = load_toml(file)
        if as_json:
            print_json({"study": manifest.id, "version": manifest.version, "valid": True, "signed": False})
        else:
            click.echo(f"{file} is complete; `overt study sign` signs it.")
        return
    signed = read_manifest(_read(file))
    if as_json:
        found = {"study": signed.payload.id, "version": signed.payload.version, "valid": True, "signed": True}
        print_json({**found, "owner_key": encode_key(signed.key.raw), "digest": signed.digest})
        return
    show_offer(console(), signed)
    click.echo(f"Signed by {encode_key(signed.key.raw)}; digest {signed.digest}")


def create_study(
    folder: Path, *, title: str, receiver_url: str, remotes: tuple[str, ...] = (), paths: tuple[str, ...] = ()
) -> dict[str, str]:
    """Write a study's folder: manifest template and three keys; gives the public keys."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner = SigningKey(Secret(secrets.token_bytes(SEED_BYTES)))
    receiver = SigningKey(Secret(secrets.token_bytes(SEED_BYTES)))
    recipient = RecipientSecretKey(Secret(os.urandom(RECIPIENT_SECRET_BYTES)))
    write_signing_key(folder / OWNER_KEY, owner)
    write_recipient_key(folder / STUDY_KEY, recipient)
    write_signing_key(folder / RECEIVER_KEY, receiver)
    today = datetime.datetime.now(datetime.UTC).date()
    text = study_template(
        study=folder.resolve().name,
        title=title,
        receiver_url=receiver_url,
        receiver_key=encode_key(receiver.verify_key.raw),
        recipient=encode_key(recipient.public.raw),
        workspaces=(
            *(WorkspaceRule(remote=remote) for remote in remotes),
            *(WorkspaceRule(path=path) for path in paths),
        ),
        start=today,
        end=today + datetime.timedelta(days=STUDY_DAYS),
    )
    with (folder / "study.toml").open("x", encoding="utf-8") as file:
        file.write(text)
    return {
        "folder": str(folder),
        "owner": encode_key(owner.verify_key.raw),
        "receiver": encode_key(receiver.verify_key.raw),
        "recipient": recipient.public.key_id,
    }


def sign_study(folder: Path, owner: SigningKey) -> Path:
    """Sign ``study.toml`` of a folder and write ``study.json`` beside it."""
    target = folder / "study.json"
    manifest = load_toml(folder / "study.toml")
    if target.exists():
        before = read_manifest(_read(target)).payload
        if before.version == manifest.version and before != manifest:
            raise ManifestError(
                f"version {manifest.version} was signed before with other content",
                code="version-taken",
                hint="People may have joined it: raise `version` in study.toml, and sign again.",
            )
    target.write_bytes(sign_manifest(manifest, owner))
    return target


def load_toml(file: Path) -> StudyManifest:
    """Read an unsigned manifest. ManifestError: if it can't be read or is not complete."""
    return manifest_from_toml(_read(file).decode("utf-8", errors="replace"))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ManifestError(f"can't read {file}: {error.strerror}", code="manifest-unreachable", hint="") from error
