"""The person's consents on this machine: small signed files that are read back, never believed.

``consent/<study>/`` holds ``manifest.json`` (as agreed to), ``record.json`` (its presence is what makes consent
live), ``narrowing.json`` (what the person took out), ``offered.json`` (a newer manifest), ``declined.json``,
``withdrawn-<ms>.json`` (a record that was taken back and is not yet signed off) and ``history/``. Deletion requests
wait in ``outbox/``. Nothing here needs a database or the network, and taking consent back needs neither a key nor disk
space: it is one rename.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from consent_ledger.deletions import Outbox
from consent_ledger.files import make_private_folder, write_files
from consent_ledger.folder import StudyFolder, Watch, list_folders
from consent_ledger.grants import Grant, judge_study
from consent_ledger.hold import MAX_HOLD_S, write_hold
from consent_ledger.manifest import read_manifest, requires_new_consent
from consent_ledger.narrowing import check_narrowing, write_narrowing
from consent_ledger.pause import PauseFile
from consent_ledger.record import ConsentRecord, make_record, sign_record, verify_record
from consent_ledger.study import StudyManifest
from consent_ledger.study_parts import WorkspaceRule
from consent_ledger.verdict import REFUSALS
from consent_ledger.withdrawals import finish_withdrawal, supersede
from event_model.errors import ConsentError, ManifestError, OvertError
from event_model.ids import RecordId, StudyId
from event_model.keys import Secret, study_signing_key
from event_model.levels import Level
from event_model.receipts import SentSpan
from event_model.signed import Signed

RECORD_ID_BYTES = 16
SALT_BYTES = 32


class _Declined(msgspec.Struct, frozen=True):
    """That a person said no, to which version, and when."""

    digest: str
    version: int
    declined_ms: int


class Ledger:
    """The consents below one ``OVERT_HOME``. Several processes may hold one at the same time.

    ``user_home`` is what ``~`` stands for in path rules; ``random`` gives record ids and salts.
    """

    def __init__(
        self, home: Path, *, user_home: Path | None = None, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._home = home
        self._consent = home / "consent"
        self._user_home = user_home or _user_home()
        self._random = random
        self._pause = PauseFile(self._consent / "pause.json")
        self._outbox = Outbox(home / "outbox")
        self._watch = Watch(self._consent)

    @property
    def home(self) -> Path:
        """The installation's folder."""
        return self._home

    # Giving consent -----------------------------------------------------------------------------------------------

    @staticmethod
    def offer(manifest_bytes: bytes) -> Signed[StudyManifest]:
        """Check a manifest, to be shown; nothing is kept. ManifestError, SignatureError: if it is no good."""
        return read_manifest(manifest_bytes)

    def join(
        self,
        manifest_bytes: bytes,
        *,
        installation: Secret,
        now_ms: int,
        levels: Mapping[str, Level] | None = None,
        drop: Collection[str] = (),
        deny: Sequence[str] = (),
        workspaces: Sequence[WorkspaceRule] = (),
        deny_origins: Sequence[str] = (),
        expires_ms: int | None = None,
    ) -> ConsentRecord:
        """Give consent: to the study's levels or lower ones, to its scope or less, until it ends or earlier.

        ``levels`` lowers single kinds, ``drop`` leaves kinds out, ``deny``, ``workspaces`` and
        ``deny_origins`` narrow the scope. An
        earlier consent to the same study is superseded. ConsentError: if the study has ended, the choice asks for more
        than the study does, or the study changed its owner or went back to an older version. StoreUnwritable: if
        there is no space; an earlier consent then stands as it was.
        """
        manifest = self.offer(manifest_bytes)
        study = manifest.payload
        folder = StudyFolder(self._consent, study.id)
        self._check_joinable(folder, manifest, now_ms)
        chosen = _choose_levels(study, levels or {}, drop)
        narrowing, digest = write_narrowing(
            check_narrowing(deny, workspaces, deny_origins), salt=self._random(SALT_BYTES)
        )
        key = study_signing_key(installation, study.id)
        record = make_record(
            manifest,
            verify_key=key.verify_key,
            record_id=RecordId(self._random(RECORD_ID_BYTES).hex()),
            given_ms=now_ms,
            levels=chosen,
            narrowing=digest,
            expires_ms=expires_ms,
        )
        make_private_folder(folder.path)
        supersede(folder, installation=installation, now_ms=now_ms)
        self._pause.keep_spare()
        # The record comes last: until it is there, what lies beside it allows nothing.
        write_files(
            [
                (folder.narrowing, narrowing),
                (folder.manifest, manifest_bytes),
                (folder.record, sign_record(record, key)),
            ]
        )
        for stale in (folder.offered, folder.declined):
            with contextlib.suppress(OSError):
                stale.unlink(missing_ok=True)
        self._watch.touch()
        return record

    def decline(self, manifest_bytes: bytes, *, now_ms: int) -> None:
        """Remember that a person said no to this version, so that nobody asks again."""
        manifest = self.offer(manifest_bytes)
        folder = StudyFolder(self._consent, manifest.payload.id)
        note = _Declined(digest=manifest.digest, version=manifest.payload.version, declined_ms=now_ms)
        make_private_folder(folder.path)
        write_files([(folder.declined, msgspec.json.encode(note))])

    def was_declined(self, manifest: Signed[StudyManifest]) -> bool:
        """Say whether a person said no to this version or a later one; what can't be read counts as a no."""
        folder = StudyFolder(self._consent, manifest.payload.id)
        try:
            data = folder.read(folder.declined)
            return data is not None and msgspec.json.decode(data, type=_Declined).version >= manifest.payload.version
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return True

    def renew(self, manifest_bytes: bytes) -> tuple[str, ...]:
        """Take note of a newer manifest of a joined study, and name the fields for which the person must be asked.

        While any is named, capture for the study is off until ``join`` or ``leave``. ConsentError: if the study was
        not joined, the manifest is older, or another owner signed it.
        """
        manifest = self.offer(manifest_bytes)
        folder = StudyFolder(self._consent, manifest.payload.id)
        accepted = self.manifest(manifest.payload.id)
        if accepted is None or not folder.record.exists():
            raise ConsentError(f"you have not joined {manifest.payload.id}", code="no-such-study")
        _check_successor(accepted, manifest)
        if manifest.digest == accepted.digest:
            return ()
        if manifest.payload.version == accepted.payload.version:
            raise ConsentError("the study changed without a new version number", code="study-changed")
        if not _holds(folder.offered, manifest_bytes):
            write_files([(folder.offered, manifest_bytes)])
            self._watch.touch()
        return requires_new_consent(accepted.payload, manifest.payload)

    def hold_longer(self, study: StudyId, hold_s: int) -> None:
        """Keep a study's data here for at least so many seconds before it may be sent; 0: as long as the study asks.

        ConsentError: if the study was not joined, or the time is out of bounds. StoreUnwritable: if there is no space.
        """
        folder = StudyFolder(self._consent, study)
        if not folder.record.exists():
            raise ConsentError(f"you have not joined {study}", code="no-such-study")
        if not 0 <= hold_s <= MAX_HOLD_S:
            days = MAX_HOLD_S // 86_400
            raise ConsentError(f"data can be held for {days} days at most", code="hold-too-long", hint="")
        write_files([(folder.hold, write_hold(hold_s))])
        self._watch.touch()

    # Taking consent back ------------------------------------------------------------------------------------------

    def leave(self, study: StudyId, *, now_ms: int, installation: Secret | None) -> ConsentRecord | None:
        """Withdraw: at once, and without key, space or network; then sign the withdrawal and ask for deletion.

        Gives the signed-off record, or None while that second part waits for a key or for space
        (``finish_withdrawals``). ConsentError: if there is nothing to leave. StoreUnwritable: if the consent can't be
        ended because the folder can't be changed.
        """
        folder = StudyFolder(self._consent, study)
        retired = folder.retire(now_ms)
        self._watch.touch()
        if not retired and not folder.markers():
            raise ConsentError(f"you are not in a study {study!r}", code="no-such-study")
        if installation is None:
            return None
        with contextlib.suppress(OSError, OvertError):
            if not folder.markers():
                # The record could only be destroyed; the deletion is asked for all the same.
                self._outbox.add(study, installation=installation, requested_ms=now_ms, reason="consent-withdrawn")
            return finish_withdrawal(folder, self._outbox, installation=installation, now_ms=now_ms)
        return None

    def finish_withdrawals(self, installation: Secret, now_ms: int) -> tuple[StudyId, ...]:
        """Sign off the withdrawals that still wait, and give their studies. StoreUnwritable: if there is no space."""
        finished: list[StudyId] = []
        for folder in self._folders():
            if folder.markers():
                finish_withdrawal(folder, self._outbox, installation=installation, now_ms=now_ms)
                finished.append(folder.study)
        return tuple(finished)

    def unfinished_withdrawals(self) -> tuple[StudyId, ...]:
        """Name the studies that were left and whose deletion is not yet asked for."""
        return tuple(folder.study for folder in self._folders() if folder.markers())

    def request_deletion(
        self, study: StudyId, *, segments: Sequence[tuple[int, int]], installation: Secret, now_ms: int, reason: str
    ) -> Path:
        """Ask the receiver to erase single segments, ``(epoch, number)`` each, that were uploaded before."""
        folder = StudyFolder(self._consent, study)
        return self._outbox.add(
            folder.study, installation=installation, requested_ms=now_ms, reason=reason, segments=tuple(segments)
        )

    def request_deletion_of_sent(self, study: StudyId, span: SentSpan, *, installation: Secret, now_ms: int) -> Path:
        """Ask the receiver to erase what came there in a span of time, whether or not this device still knows of it.

        ConsentError: if nothing is known of the study, and so not where its receiver is.
        """
        folder = StudyFolder(self._consent, study)
        if self.manifest(folder.study) is None:
            raise ConsentError(f"you have not joined {study}", code="no-such-study")
        return self._outbox.add(
            folder.study,
            installation=installation,
            requested_ms=now_ms,
            reason="forgotten by the person",
            segments=(),
            sent=span,
        )

    def outbox(self) -> list[tuple[Path, bytes]]:
        """List the deletion requests that wait to be sent, oldest first."""
        return self._outbox.waiting()

    def settled(self, path: Path) -> None:
        """Take away a deletion request whose receipt is in hand."""
        self._outbox.settled(path)

    # Pausing ------------------------------------------------------------------------------------------------------

    def pause(self, until_ms: int | None, now_ms: int) -> None:
        """Stop all capture until a moment, Unix ms, or until resumed. ConsentError: if that moment is past."""
        if until_ms is not None and until_ms <= now_ms:
            raise ConsentError(
                "a pause can't end in the past", code="pause-past", hint="Say for how long, such as 30m."
            )
        self._pause.start(until_ms)
        self._watch.touch()

    def resume(self) -> None:
        """End the pause."""
        self._pause.end()
        self._watch.touch()

    def paused(self, now_ms: int) -> bool:
        """Say whether capture is paused now; a pause that can't be read holds."""
        until_ms = self._pause.until_ms()
        return until_ms is not None and now_ms < until_ms

    @property
    def paused_until(self) -> int | None:
        """When the pause ends, Unix ms (``pause.UNTIL_RESUMED``: when resumed); None without a pause."""
        return self._pause.until_ms()

    # Asking -------------------------------------------------------------------------------------------------------

    def grants(self, now_ms: int, *, installation: Secret | None = None) -> tuple[Grant, ...]:
        """Say for each study that was ever joined what it may capture now, or why it may not.

        With ``installation``, records of another installation are refused. Never raises: what can't be read or decided
        is refused with a code. A pause is not a refusal: ask ``paused`` too.
        """
        try:
            folders = list_folders(self._consent)
        except OSError as error:
            detail = f"{REFUSALS['consent-unreadable']} ({error.strerror})"
            return (Grant(study=StudyId("*"), refusal="consent-unreadable", detail=detail),)
        judged = (
            judge_study(
                folder,
                now_ms=now_ms,
                installation=installation,
                user_home=self._user_home,
                forbidden=self._own_folders(),
            )
            for folder in folders
        )
        return tuple(grant for grant in judged if grant is not None)

    def manifest(self, study: StudyId) -> Signed[StudyManifest] | None:
        """Give the manifest that was agreed to, also after leaving, or None. ManifestError: if it is damaged."""
        folder = StudyFolder(self._consent, study)
        try:
            data = folder.read(folder.manifest)
        except OSError as error:
            raise ManifestError(f"the manifest of {study} can't be read: {error.strerror}") from error
        return None if data is None else read_manifest(data)

    def offered(self, study: StudyId) -> Signed[StudyManifest] | None:
        """Give the newer manifest that the person has yet to be asked about, or None. ManifestError: if damaged."""
        folder = StudyFolder(self._consent, study)
        accepted = self.manifest(study)
        try:
            data = folder.read(folder.offered)
        except OSError as error:
            raise ManifestError(f"the newer manifest of {study} can't be read: {error.strerror}") from error
        if data is None or accepted is None:
            return None
        newer = read_manifest(data)
        asks = newer.key != accepted.key or requires_new_consent(accepted.payload, newer.payload)
        return newer if asks and newer.payload.version > accepted.payload.version else None

    def record_document(self, study: StudyId, record: RecordId) -> bytes | None:
        """Give a signed consent record: the live one, or one that was superseded or taken back; None if unknown."""
        folder = StudyFolder(self._consent, study)
        for path in (folder.record, folder.history / f"{record}.json"):
            with contextlib.suppress(OSError, OvertError):
                data = folder.read(path)
                if data is not None and verify_record(data).payload.record_id == record:
                    return data
        return None

    def fingerprint(self) -> object:
        """Give a value that changes whenever the answer of ``grants`` or ``paused`` may have; a few stat calls.

        Time is not in it: see ``Grant.changes_ms`` and ``paused_until``.
        """
        return self._watch.fingerprint()

    def stirred(self) -> bool:
        """Say whether a ledger changed anything since the last ``fingerprint``; a single stat call."""
        return self._watch.stirred()

    def stir(self) -> None:
        """Let the collectors that run look anew at what they hold, as after a forgetting; nothing else changes."""
        self._watch.touch()

    # Inside -------------------------------------------------------------------------------------------------------

    def _folders(self) -> list[StudyFolder]:
        try:
            return list_folders(self._consent)
        except OSError as error:
            detail = f"the folder of all consents can't be read: {error.strerror}"
            raise ConsentError(detail, code="consent-unreadable", hint="Run `overt doctor`.") from error

    def _own_folders(self) -> tuple[Path, ...]:
        return tuple({self._home.absolute(), self._home.resolve()})

    def _check_joinable(self, folder: StudyFolder, manifest: Signed[StudyManifest], now_ms: int) -> None:
        if now_ms >= manifest.payload.end_ms:
            raise ConsentError(f"the study ended on {manifest.payload.end}", code="study-ended", hint="")
        try:
            before = self.manifest(folder.study)
        except OvertError:
            # A damaged manifest is replaced by the one that the person has just agreed to.
            return
        if before is not None:
            _check_successor(before, manifest)


def _check_successor(before: Signed[StudyManifest], after: Signed[StudyManifest]) -> None:
    if before.key != after.key:
        # The pseudonym follows from the study's id: another owner under the same id would see the same one.
        raise ConsentError(
            f"{after.payload.id} is signed by another owner than before",
            code="study-owner-changed",
            hint="Ask the study's owner; a study that changes hands needs a new id.",
        )
    if after.payload.version < before.payload.version:
        raise ConsentError(
            f"version {after.payload.version} is older than version {before.payload.version}, which you know",
            code="study-older-version",
            hint="Ask the study's owner for the current manifest.",
        )


def _choose_levels(study: StudyManifest, levels: Mapping[str, Level], drop: Collection[str]) -> dict[str, Level]:
    """Lower and leave out what the person chose. ConsentError: if the choice asks for more than the study."""
    allowed = study.levels
    for kind, level in levels.items():
        if kind not in allowed:
            raise ConsentError(f"the study does not ask for {kind!r}", code="level-above-study")
        if allowed[kind] < level:
            raise ConsentError(f"the study asks for {kind!r} at {allowed[kind].value} only", code="level-above-study")
    return {kind: levels.get(kind, level) for kind, level in allowed.items() if kind not in drop}


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _user_home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:
        return None
