"""study keys: splits the study key among custodians, and names who does what in a study."""

from __future__ import annotations

import contextlib
import importlib
import os
from pathlib import Path
from types import ModuleType

import click
import msgspec

from event_model.errors import DatasetError, KeyUnavailable
from event_model.ids import StudyId
from event_model.keys import VerifyKey, decode_key, encode_key
from event_model.roles import STUDY_ROLES, Member, Role, StudyRoles, sign_roles
from event_model.signed import open_document
from overt.console import json_option, print_json
from overt.keyfiles import read_recipient_key, read_signing_key
from overt.manifests import signed_study

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
ROLES_FILE = "roles.json"


@click.group()
def keys() -> None:
    """Split the study key among custodians, and name who does what.

    \b
    overt study keys split typing-2026
    overt study keys member typing-2026 --name "Works council" --role auditor --key KEY
    """


@keys.command()
@click.argument("folder", type=FOLDER)
@click.option("--threshold", default=2, show_default=True, help="How many custodians open the key together.")
@click.option("--shares", default=3, show_default=True, help="How many custodians there are.")
@click.option("--destroy", is_flag=True, help="Overwrite and delete study.key afterwards, as you should.")
@json_option
def split(folder: Path, threshold: int, shares: int, *, destroy: bool, as_json: bool) -> None:
    """Split study.key in FOLDER into shares (SLIP-39): a file for each custodian, of no use alone.

    Writes custodian-1.share and so on, and roles.json for `overt serve --roles`. Give each share to another person.
    From then on opening data takes several of them and a purpose in words, which every participant can read.
    """
    study = _study(folder)
    module = _load("event_model.study_shares")
    secret = read_recipient_key(folder / "study.key")
    made = module.split_study_key(secret, study=study, threshold=threshold, shares=shares)
    files = [folder / f"{share.custodian}.share" for share in made]
    for file, share in zip(files, made, strict=True):
        _write_private(file, msgspec.json.format(msgspec.json.encode(share)))
    members = [
        Member(share.custodian, encode_key(share.signing_key.verify_key.raw), (Role.CUSTODIAN,)) for share in made
    ]
    others = [member for member in _members(folder, study) if Role.CUSTODIAN not in member.roles]
    _write_roles(folder, StudyRoles(study, (*members, *others), threshold))
    if destroy:
        _destroy(folder / "study.key")
    if as_json:
        print_json({"shares": [str(file) for file in files], "threshold": threshold, "roles": str(folder / ROLES_FILE)})
        return
    click.echo(f"Made {shares} shares; any {threshold} of them open the study's data:")
    for file in files:
        click.echo(f"  {file}: give it to a custodian, and keep no copy")
    click.echo(f"Serve with --roles {folder / ROLES_FILE}, so that the audit log knows the custodians.")
    if not destroy:
        click.secho("study.key is still whole: it opens everything alone. --destroy takes it away.", fg="yellow")


@keys.command()
@click.argument("folder", type=FOLDER)
@click.option("--name", required=True, help="What participants will read.")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What they may do.")
@click.option("--key", required=True, help="Their public key.")
@json_option
def member(folder: Path, name: str, role: str, key: str, *, as_json: bool) -> None:
    """Name a member of the study in FOLDER: an auditor, say. Serve with the roles.json that comes of it."""
    study = _study(folder)
    before = _roles(folder, study)
    others = tuple(each for each in before.members if each.name != name)
    VerifyKey(decode_key(key))
    listed = StudyRoles(study, (*others, Member(name, key, (Role(role),))), before.threshold)
    _write_roles(folder, listed)
    if as_json:
        print_json({"roles": str(folder / ROLES_FILE)})
    else:
        click.echo(f"{name} is {role} of {study}: {folder / ROLES_FILE}")


def _study(folder: Path) -> StudyId:
    return signed_study(folder).payload.id


def _roles(folder: Path, study: StudyId) -> StudyRoles:
    owner = read_signing_key(folder / "owner.key").verify_key
    with contextlib.suppress(FileNotFoundError):
        return open_document(STUDY_ROLES, (folder / ROLES_FILE).read_bytes(), StudyRoles, key=owner).payload
    return StudyRoles(study)


def _members(folder: Path, study: StudyId) -> tuple[Member, ...]:
    return _roles(folder, study).members


def _write_roles(folder: Path, listed: StudyRoles) -> None:
    (folder / ROLES_FILE).write_bytes(sign_roles(listed, read_signing_key(folder / "owner.key")))


def _write_private(file: Path, data: bytes) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        hint = "The key was split before; old shares open it too. Take them away first."
        raise KeyUnavailable(f"{file} exists", code="key-exists", hint=hint) from error
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(data + b"\n")
        opened.flush()
        os.fsync(opened.fileno())


def _destroy(file: Path) -> None:
    """Overwrite, sync, delete; a copying file system or a backup may hold it still."""
    with file.open("r+b") as opened:
        opened.write(b"\0" * file.stat().st_size)
        opened.flush()
        os.fsync(opened.fileno())
    file.unlink()


def _load(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        hint = "Install them: pip install 'overt[dataset]'"
        raise DatasetError(f"a package is missing ({error.name})", code="extra-missing", hint=hint) from error
