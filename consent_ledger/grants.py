"""Grants: what one study may capture at one moment, or the code that says why it may not."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from consent_ledger.folder import StudyFolder
from consent_ledger.hold import read_hold
from consent_ledger.manifest import read_manifest, requires_new_consent
from consent_ledger.narrowing import read_narrowing
from consent_ledger.record import ConsentRecord, verify_record
from consent_ledger.scope import Narrowing, Scope
from consent_ledger.study import StudyManifest
from consent_ledger.verdict import REFUSALS, changes_ms, refusal_of, untimely
from event_model.errors import ConsentError, ManifestError, OvertError, RecordError
from event_model.ids import StudyId
from event_model.keys import Secret, study_signing_key
from event_model.levels import Level
from event_model.signed import Signed

T = TypeVar("T", bound=msgspec.Struct)


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One study's verdict. Capture is allowed only when ``refusal`` is None.

    ``detail`` is a sentence for the person; ``changes_ms`` is when time alone next changes the verdict. A refused grant
    has no levels and a scope that admits nothing; its narrowing is kept for when the person is asked again.
    """

    study: StudyId
    refusal: str | None
    detail: str
    signed_manifest: Signed[StudyManifest] | None = None
    signed_record: Signed[ConsentRecord] | None = None
    levels: Mapping[str, Level] = msgspec.field(default_factory=dict)
    narrowing: Narrowing = Narrowing()
    scope: Scope = msgspec.field(default_factory=Scope.nothing)
    changes_ms: int | None = None
    own_hold_s: int = 0

    @property
    def hold_s(self) -> int:
        """How long, in seconds, what was sealed stays here: the study's time, or the person's where that is longer."""
        return max(self.own_hold_s, 0 if self.signed_manifest is None else self.signed_manifest.payload.hold_s)

    @property
    def live(self) -> bool:
        """Whether capture is allowed."""
        return self.refusal is None

    @property
    def manifest(self) -> StudyManifest:
        """The study as it holds now. ConsentError: if there is none to be read."""
        return self._present(self.signed_manifest).payload

    @property
    def record(self) -> ConsentRecord:
        """The consent record. ConsentError: if there is none to be read."""
        return self._present(self.signed_record).payload

    @property
    def record_digest(self) -> str:
        """The digest of the signed record, hex. ConsentError: if there is none to be read."""
        return self._present(self.signed_record).digest

    def _present(self, document: Signed[T] | None) -> Signed[T]:
        if document is None:
            raise ConsentError(self.detail, code=self.refusal or "no-consent")
        return document


class _Files(msgspec.Struct, frozen=True):
    """What could be read of a study's files; ``refusal`` and ``detail`` say what could not."""

    record: Signed[ConsentRecord] | None = None
    accepted: Signed[StudyManifest] | None = None
    offered: Signed[StudyManifest] | None = None
    narrowing: Narrowing | None = None
    refusal: str | None = None
    detail: str = ""


def judge_study(
    folder: StudyFolder,
    *,
    now_ms: int,
    installation: Secret | None = None,
    user_home: PurePath | None = None,
    forbidden: tuple[PurePath, ...] = (),
) -> Grant | None:
    """Read a study's files and say what they allow; None if consent was never given.

    With ``installation``, a record that another installation signed is refused.
    """
    files = _read(folder)
    if files is None:
        return None
    current = _current(files)
    refusal, detail = files.refusal, files.detail
    if refusal is None:
        refusal, detail = _judge(files, current, now_ms, installation)
    if refusal is not None or files.record is None or current is None:
        code = refusal or "consent-unreadable"
        return Grant(
            study=folder.study,
            refusal=code,
            detail=detail or REFUSALS[code],
            signed_manifest=current,
            signed_record=files.record,
            narrowing=files.narrowing or Narrowing(),
            changes_ms=_next_change(files.record, current, now_ms),
            own_hold_s=read_hold(folder),
        )
    study = current.payload
    return Grant(
        study=folder.study,
        refusal=None,
        detail="",
        signed_manifest=current,
        signed_record=files.record,
        levels={k: min(v, study.levels[k]) for k, v in files.record.payload.levels.items() if k in study.levels},
        narrowing=files.narrowing or Narrowing(),
        scope=Scope(
            study.scope.workspaces,
            deny=study.scope.deny,
            narrowing=files.narrowing,
            home=user_home,
            forbidden=forbidden,
            web_origins=study.scope.web_origins,
        ),
        changes_ms=_next_change(files.record, current, now_ms),
        own_hold_s=read_hold(folder),
    )


def _read(folder: StudyFolder) -> _Files | None:
    """Read and verify the files in the order in which one leans on another; stop at the first that fails."""
    code, files = "consent-unreadable", _Files()
    try:
        record = folder.read(folder.record)
        if record is None:
            return _ended(folder)
        code = "consent-malformed"
        signed = verify_record(record)
        if signed.payload.study != folder.study:
            raise RecordError("the consent record is of another study")
        files = replace(files, record=signed)
        code = "manifest-invalid"
        files = replace(files, accepted=_read_manifest(folder, folder.manifest))
        if files.accepted is None:
            raise ManifestError("the manifest that was agreed to is missing")
        if folder.offered.exists():
            files = replace(files, offered=_read_manifest(folder, folder.offered))
        code = "consent-malformed"
        narrowing = read_narrowing(folder.read(folder.narrowing) or b"", digest=signed.payload.narrowing)
        return replace(files, narrowing=narrowing)
    except OSError as error:
        code, cause = "consent-unreadable", error.strerror or "unknown cause"
    except OvertError as error:
        cause = error.message
    return replace(files, refusal=code, detail=f"{REFUSALS[code]} ({cause})")


def _ended(folder: StudyFolder) -> _Files | None:
    """Say that consent was given here and taken back, with the manifest for the person to look at; None if never."""
    if not folder.was_left():
        return None
    with contextlib.suppress(OSError, OvertError):
        return _Files(accepted=_read_manifest(folder, folder.manifest), refusal="consent-withdrawn")
    return _Files(refusal="consent-withdrawn")


def _read_manifest(folder: StudyFolder, path: Path) -> Signed[StudyManifest] | None:
    data = folder.read(path)
    return None if data is None else read_manifest(data)


def _current(files: _Files) -> Signed[StudyManifest] | None:
    """Give the manifest that holds: the newer one when it asks for nothing more than was agreed to."""
    if files.accepted is None or files.offered is None or files.offered.key != files.accepted.key:
        return files.accepted
    old, new = files.accepted.payload, files.offered.payload
    return files.offered if new.version > old.version and not requires_new_consent(old, new) else files.accepted


def _judge(
    files: _Files, current: Signed[StudyManifest] | None, now_ms: int, installation: Secret | None
) -> tuple[str | None, str]:
    """Give the refusal code and its sentence, or None and nothing."""
    assert files.record is not None
    assert files.accepted is not None
    assert current is not None
    record = files.record.payload
    if installation is not None and files.record.key != study_signing_key(installation, record.study).verify_key:
        return "consent-foreign", ""
    if (code := refusal_of(record, files.accepted, now_ms)) is not None:
        return code, ""
    if files.offered is not None and files.offered.key != files.accepted.key:
        return "study-owner-changed", ""
    old, new = files.accepted.payload, (files.offered or files.accepted).payload
    changed = requires_new_consent(old, new) if new.version > old.version else ()
    if changed:
        code = "notice-changed" if "notice" in changed else "study-changed"
        return code, f"{REFUSALS[code]} (changed: {', '.join(changed)})"
    return untimely(record, current.payload, now_ms), ""


def _next_change(
    record: Signed[ConsentRecord] | None, manifest: Signed[StudyManifest] | None, now_ms: int
) -> int | None:
    return None if record is None or manifest is None else changes_ms(record.payload, manifest.payload, now_ms)
