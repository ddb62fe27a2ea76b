"""The ledger on a real disk: consent given, lowered, changed, taken back, and everything that is not quite consent."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import msgspec
import pytest

from consent_ledger.hold import MAX_HOLD_S
from consent_ledger.ledger import Ledger
from consent_ledger.manifest import StudyManifest, WorkspaceRule, notice_digest, read_manifest
from consent_ledger.pause import UNTIL_RESUMED
from consent_ledger.record import ConsentState, verify_record
from consent_ledger.scope import Location
from consent_ledger.verdict import REFUSALS
from event_model.errors import ConsentError, KeyUnavailable, ManifestError, OvertError, SignatureError, StoreUnwritable
from event_model.ids import StudyId
from event_model.keys import Secret, SigningKey, pseudonym_of, study_signing_key
from event_model.levels import Level
from event_model.receipts import DELETION_REQUEST, DeletionRequest
from event_model.signed import open_document
from tests.consent_ledger.consent_kit import DAY_MS, NOW_MS, seed

DEMO = StudyId("demo")


def refusal(ledger: Ledger, now_ms: int = NOW_MS) -> str | None:
    (grant,) = ledger.grants(now_ms)
    if grant.refusal is not None:
        # Closed means closed: no level, no file, a code that is known and a sentence for the person.
        assert not grant.live
        assert not grant.levels
        place = PurePosixPath("/home/ada/site/a.py")
        assert not grant.scope.decide(Location(place, place, place.parent, ("github.com/example/site",))).allowed
        assert grant.refusal in REFUSALS
        assert grant.detail
    return grant.refusal


@pytest.fixture
def joined(ledger: Ledger, signed: bytes, installation: Secret) -> Ledger:
    ledger.join(signed, installation=installation, now_ms=NOW_MS)
    return ledger


# Giving ---------------------------------------------------------------------------------------------------------------


def test_offer_keeps_nothing(ledger: Ledger, home: Path, signed: bytes, manifest: StudyManifest) -> None:
    assert ledger.offer(signed).payload == manifest
    assert not home.exists()


def test_no_consent_gives_no_grant_and_no_file(ledger: Ledger, home: Path) -> None:
    assert ledger.grants(NOW_MS) == ()
    assert not ledger.paused(NOW_MS)
    assert ledger.outbox() == []
    ledger.fingerprint()
    assert not home.exists()


def test_join_gives_a_live_grant(joined: Ledger, manifest: StudyManifest, installation: Secret) -> None:
    (grant,) = joined.grants(NOW_MS, installation=installation)
    assert grant.live
    assert grant.manifest == manifest
    assert grant.levels == manifest.levels
    assert grant.record.pseudonym == pseudonym_of(study_signing_key(installation, DEMO).verify_key)
    assert grant.signed_record is not None
    assert grant.record_digest == grant.signed_record.digest
    assert grant.changes_ms == manifest.end_ms
    place = PurePosixPath("/home/ada/site/a.py")
    assert grant.scope.decide(Location(place, place, place.parent, ("github.com/example/site",))).allowed


def test_two_studies_see_two_pseudonyms(joined: Ledger, variant: Callable[..., bytes], installation: Secret) -> None:
    joined.join(variant(id="other"), installation=installation, now_ms=NOW_MS)
    first, second = joined.grants(NOW_MS)
    assert first.record.pseudonym != second.record.pseudonym
    assert first.record.verify_key != second.record.verify_key


def test_files_are_private(joined: Ledger, home: Path) -> None:
    for path in [home / "consent", *(home / "consent").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_join_with_lower_levels_and_fewer_kinds(ledger: Ledger, signed: bytes, installation: Secret) -> None:
    record = ledger.join(
        signed,
        installation=installation,
        now_ms=NOW_MS,
        levels={"document.edit": Level.SHAPE},
        drop=["selection.change"],
    )
    (grant,) = ledger.grants(NOW_MS)
    assert grant.levels["document.edit"] is Level.SHAPE
    assert "selection.change" not in grant.levels
    assert grant.levels == record.levels


@pytest.mark.parametrize(
    ("choice", "code"),
    [
        ({"levels": {"command.run": Level.RHYTHM}}, "level-above-study"),
        ({"levels": {"document.open": Level.CONTENT, "no.kind": Level.RHYTHM}}, "level-above-study"),
        ({"deny": ["!.env"]}, "narrowing-invalid"),
        ({"workspaces": [WorkspaceRule()]}, "narrowing-invalid"),
        ({"workspaces": [WorkspaceRule(path="src")]}, "narrowing-invalid"),
        ({"now_ms": NOW_MS + 365 * DAY_MS}, "study-ended"),
    ],
    ids=str,
)
def test_choice_that_asks_for_more_is_refused_and_nothing_is_kept(
    ledger: Ledger, home: Path, signed: bytes, installation: Secret, choice: dict[str, object], code: str
) -> None:
    with pytest.raises(ConsentError) as caught:
        ledger.join(signed, installation=installation, **{"now_ms": NOW_MS, **choice})  # type: ignore[arg-type]
    assert caught.value.code == code
    assert not home.exists()


def test_raising_a_level_above_the_study_is_refused(
    ledger: Ledger, variant: Callable[..., bytes], installation: Secret
) -> None:
    low = variant(kinds={"document.open": Level.RHYTHM})
    with pytest.raises(ConsentError) as caught:
        ledger.join(low, installation=installation, now_ms=NOW_MS, levels={"document.open": Level.SHAPE})
    assert caught.value.code == "level-above-study"


def test_forged_manifest_cannot_be_joined(ledger: Ledger, signed: bytes, installation: Secret) -> None:
    with pytest.raises(SignatureError):
        ledger.join(signed.replace(b'"k":5', b'"k":6'), installation=installation, now_ms=NOW_MS)
    with pytest.raises(ManifestError):
        ledger.join(b"garbage", installation=installation, now_ms=NOW_MS)


def test_narrowing_holds_and_its_paths_stay_out_of_the_record(
    ledger: Ledger, home: Path, signed: bytes, installation: Secret
) -> None:
    ledger.join(signed, installation=installation, now_ms=NOW_MS, deny=["clients/"])
    (grant,) = ledger.grants(NOW_MS)
    assert grant.narrowing.deny == ("clients/",)
    place = PurePosixPath("/home/ada/site/clients/a.py")
    verdict = grant.scope.decide(Location(place, place, place.parent.parent, ("github.com/example/site",)))
    assert (verdict.code, verdict.rule) == ("denied-path", "clients/")
    assert b"clients" not in (home / "consent/demo/record.json").read_bytes()


def test_own_home_is_out_of_every_scope(
    ledger: Ledger, home: Path, variant: Callable[..., bytes], manifest: StudyManifest, installation: Secret
) -> None:
    everything = msgspec.structs.replace(manifest.scope, workspaces=(WorkspaceRule(path=home.parent.as_posix()),))
    ledger.join(variant(scope=everything), installation=installation, now_ms=NOW_MS)
    (grant,) = ledger.grants(NOW_MS)
    inside, beside = home / "consent" / "demo" / "record.json", home.parent / "a.py"
    assert grant.scope.decide(Location(inside, inside, None)).code == "denied-path"
    assert grant.scope.decide(Location(beside, beside, None)).allowed


def test_own_choice_of_an_earlier_expiry_holds(ledger: Ledger, signed: bytes, installation: Secret) -> None:
    ledger.join(signed, installation=installation, now_ms=NOW_MS, expires_ms=NOW_MS + DAY_MS)
    assert refusal(ledger, NOW_MS + DAY_MS - 1) is None
    assert refusal(ledger, NOW_MS + DAY_MS) == "consent-expired"


def test_time_bounds_of_the_study_hold(ledger: Ledger, variant: Callable[..., bytes], installation: Secret) -> None:
    ledger.join(variant(start="2026-01-10", end="2026-01-20"), installation=installation, now_ms=NOW_MS)
    assert refusal(ledger) == "study-not-started"
    assert refusal(ledger, NOW_MS + 9 * DAY_MS) is None
    assert refusal(ledger, NOW_MS + 20 * DAY_MS) == "study-ended"
    assert refusal(ledger, NOW_MS - 2 * DAY_MS) == "clock-implausible"


def test_joining_again_supersedes_and_keeps_the_old_record(
    joined: Ledger, home: Path, signed: bytes, installation: Secret
) -> None:
    (before,) = joined.grants(NOW_MS)
    joined.join(signed, installation=installation, now_ms=NOW_MS + 5, drop=["selection.change"])
    (after,) = joined.grants(NOW_MS + 5)
    assert after.record.record_id != before.record.record_id
    (kept,) = (home / "consent/demo/history").iterdir()
    old = verify_record(kept.read_bytes()).payload
    assert (old.record_id, old.state, old.changed_ms) == (before.record.record_id, ConsentState.SUPERSEDED, NOW_MS + 5)
    assert joined.outbox() == []


def test_declining_is_remembered_and_costs_nothing(
    ledger: Ledger, signed: bytes, variant: Callable[..., bytes], home: Path
) -> None:
    ledger.decline(signed, now_ms=NOW_MS)
    assert ledger.was_declined(read_manifest(signed))
    assert not ledger.was_declined(read_manifest(variant(version=2)))
    assert ledger.grants(NOW_MS) == ()
    (home / "consent/demo/declined.json").write_bytes(b"garbage")
    assert ledger.was_declined(read_manifest(variant(version=2)))


def test_joining_after_declining_forgets_the_no(ledger: Ledger, signed: bytes, installation: Secret) -> None:
    ledger.decline(signed, now_ms=NOW_MS)
    ledger.join(signed, installation=installation, now_ms=NOW_MS)
    assert not ledger.was_declined(read_manifest(signed))


# Changed studies ------------------------------------------------------------------------------------------------------


def test_new_version_that_asks_for_more_stops_capture_until_joined(
    joined: Ledger, variant: Callable[..., bytes], installation: Secret
) -> None:
    longer = variant(version=2, retention_days=400)
    assert joined.renew(longer) == ("retention_days",)
    assert refusal(joined) == "study-changed"
    joined.join(longer, installation=installation, now_ms=NOW_MS)
    assert refusal(joined) is None
    assert joined.grants(NOW_MS)[0].record.study_version == 2


def test_new_notice_stops_capture(joined: Ledger, variant: Callable[..., bytes]) -> None:
    words = "Other words."
    assert "notice" in joined.renew(variant(version=2, notice=words, notice_digest=notice_digest(words)))
    assert refusal(joined) == "notice-changed"


def test_new_version_that_asks_for_less_takes_effect_without_asking(
    joined: Ledger, variant: Callable[..., bytes], manifest: StudyManifest
) -> None:
    scope = msgspec.structs.replace(manifest.scope, deny=(*manifest.scope.deny, "secretive/"))
    less = variant(version=2, hold_s=manifest.hold_s * 2, kinds={"document.open": Level.SHAPE}, scope=scope)
    assert joined.renew(less) == ()
    (grant,) = joined.grants(NOW_MS)
    assert grant.live
    assert grant.manifest.hold_s == manifest.hold_s * 2
    assert grant.levels["document.open"] is Level.SHAPE
    assert "document.edit" not in grant.levels
    place = PurePosixPath("/home/ada/site/secretive/a.py")
    assert not grant.scope.decide(Location(place, place, place.parent.parent, ("github.com/example/site",))).allowed


def test_earlier_end_takes_effect_without_asking(joined: Ledger, variant: Callable[..., bytes]) -> None:
    assert joined.renew(variant(version=2, end="2026-01-02")) == ()
    assert refusal(joined, NOW_MS) is None
    assert refusal(joined, NOW_MS + 2 * DAY_MS) == "study-ended"


def test_a_person_can_hold_longer_and_never_shorter(joined: Ledger, manifest: StudyManifest, tmp_path: Path) -> None:
    (before,) = joined.grants(NOW_MS)
    assert before.hold_s == manifest.hold_s
    joined.hold_longer(manifest.id, manifest.hold_s * 3)
    assert joined.grants(NOW_MS)[0].hold_s == manifest.hold_s * 3
    joined.hold_longer(manifest.id, 1)
    assert joined.grants(NOW_MS)[0].hold_s == manifest.hold_s
    with pytest.raises(ConsentError) as caught:
        joined.hold_longer(manifest.id, MAX_HOLD_S + 1)
    assert caught.value.code == "hold-too-long"
    with pytest.raises(ConsentError) as caught:
        joined.hold_longer(StudyId("another-study"), 10)
    assert caught.value.code == "no-such-study"
    (path,) = tmp_path.rglob("hold.json")
    for damaged in (b"", b"{", b'{"hold_s":"1"}', b"\xff"):
        path.write_bytes(damaged)
        assert joined.grants(NOW_MS)[0].hold_s == MAX_HOLD_S


@pytest.mark.parametrize("act", ["join", "renew"])
def test_other_owner_or_older_version_is_refused(
    joined: Ledger, variant: Callable[..., bytes], installation: Secret, act: str
) -> None:
    def offer(data: bytes) -> None:
        joined.renew(data) if act == "renew" else joined.join(data, installation=installation, now_ms=NOW_MS)

    with pytest.raises(ConsentError) as caught:
        offer(variant(version=2, signer=SigningKey(seed("usurper"))))
    assert caught.value.code == "study-owner-changed"
    joined.join(variant(version=3), installation=installation, now_ms=NOW_MS)
    with pytest.raises(ConsentError) as caught:
        offer(variant(version=2))
    assert caught.value.code == "study-older-version"
    assert refusal(joined) is None


def test_renewing_needs_a_joined_study_and_a_new_number(
    ledger: Ledger, signed: bytes, variant: Callable[..., bytes], installation: Secret
) -> None:
    with pytest.raises(ConsentError) as caught:
        ledger.renew(signed)
    assert caught.value.code == "no-such-study"
    ledger.join(signed, installation=installation, now_ms=NOW_MS)
    assert ledger.renew(signed) == ()
    with pytest.raises(ConsentError) as caught:
        ledger.renew(variant(retention_days=1))
    assert caught.value.code == "study-changed"


# Taking back ----------------------------------------------------------------------------------------------------------


def test_leaving_ends_consent_signs_it_off_and_asks_for_deletion(joined: Ledger, installation: Secret) -> None:
    (before,) = joined.grants(NOW_MS)
    record = joined.leave(DEMO, now_ms=NOW_MS + 7, installation=installation)
    assert record is not None
    assert (record.state, record.withdrawn_ms) == (ConsentState.WITHDRAWN, NOW_MS + 7)
    assert refusal(joined) == "consent-withdrawn"
    ((path, data),) = joined.outbox()
    key = study_signing_key(installation, DEMO).verify_key
    request = open_document(DELETION_REQUEST, data, DeletionRequest, key=key).payload
    assert request.pseudonym == before.record.pseudonym
    assert request.consent_record == before.record.record_id
    assert (request.segments, request.requested_ms) == (None, NOW_MS + 7)
    joined.settled(path)
    assert joined.outbox() == []
    # The receiver's address is still needed after leaving.
    assert joined.manifest(DEMO) is not None


def test_leaving_without_a_key_ends_consent_at_once_and_is_signed_off_later(
    joined: Ledger, installation: Secret
) -> None:
    assert joined.leave(DEMO, now_ms=NOW_MS + 7, installation=None) is None
    assert refusal(joined) == "consent-withdrawn"
    assert joined.outbox() == []
    assert joined.unfinished_withdrawals() == (DEMO,)
    assert joined.finish_withdrawals(installation, NOW_MS + DAY_MS) == (DEMO,)
    assert joined.unfinished_withdrawals() == ()
    assert len(joined.outbox()) == 1
    assert refusal(joined) == "consent-withdrawn"
    assert joined.finish_withdrawals(installation, NOW_MS + DAY_MS) == ()


def test_signed_off_record_keeps_the_moment_of_leaving(joined: Ledger, home: Path, installation: Secret) -> None:
    joined.leave(DEMO, now_ms=NOW_MS + 7, installation=None)
    joined.finish_withdrawals(installation, NOW_MS + DAY_MS)
    (kept,) = (home / "consent/demo/history").iterdir()
    assert verify_record(kept.read_bytes()).payload.withdrawn_ms == NOW_MS + 7


def test_leaving_with_another_installations_key_ends_consent_and_waits(joined: Ledger) -> None:
    stranger = seed("another installation")
    assert joined.leave(DEMO, now_ms=NOW_MS, installation=stranger) is None
    assert refusal(joined) == "consent-withdrawn"
    assert joined.outbox() == []
    with pytest.raises(KeyUnavailable):
        joined.finish_withdrawals(stranger, NOW_MS)
    assert joined.unfinished_withdrawals() == (DEMO,)


def test_leaving_twice_or_a_study_that_was_never_joined(joined: Ledger, installation: Secret) -> None:
    joined.leave(DEMO, now_ms=NOW_MS, installation=installation)
    for study in (DEMO, StudyId("never"), StudyId("../demo")):
        with pytest.raises(ConsentError) as caught:
            joined.leave(study, now_ms=NOW_MS, installation=installation)
        assert caught.value.code == "no-such-study"


def test_leaving_a_study_whose_record_is_damaged_still_asks_for_deletion(
    joined: Ledger, home: Path, installation: Secret
) -> None:
    (home / "consent/demo/record.json").write_bytes(b"garbage")
    assert joined.leave(DEMO, now_ms=NOW_MS, installation=installation) is None
    assert refusal(joined) == "consent-withdrawn"
    ((_, data),) = joined.outbox()
    request = open_document(DELETION_REQUEST, data, DeletionRequest).payload
    assert request.consent_record is None
    assert request.pseudonym == pseudonym_of(study_signing_key(installation, DEMO).verify_key)


def test_leaving_twice_in_one_moment_keeps_both_requests(joined: Ledger, signed: bytes, installation: Secret) -> None:
    joined.leave(DEMO, now_ms=NOW_MS, installation=None)
    joined.join(signed, installation=installation, now_ms=NOW_MS)
    joined.leave(DEMO, now_ms=NOW_MS, installation=None)
    joined.finish_withdrawals(installation, NOW_MS)
    assert len(joined.outbox()) == 2


def test_finishing_after_a_crash_in_the_middle_makes_no_second_request(
    joined: Ledger, home: Path, installation: Secret
) -> None:
    joined.leave(DEMO, now_ms=NOW_MS, installation=None)
    (marker,) = (home / "consent/demo").glob("withdrawn-*")
    data = marker.read_bytes()
    joined.finish_withdrawals(installation, NOW_MS + 1)
    marker.write_bytes(data)
    joined.finish_withdrawals(installation, NOW_MS + 2)
    assert len(joined.outbox()) == 1


def test_leaving_when_the_rename_fails_destroys_the_record_instead(
    joined: Ledger, installation: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_rename(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", no_rename)
    with pytest.raises(ConsentError):
        joined.leave(StudyId("other"), now_ms=NOW_MS, installation=installation)
    joined.leave(DEMO, now_ms=NOW_MS, installation=installation)
    assert joined.grants(NOW_MS) == () or refusal(joined) is not None
    assert len(joined.outbox()) == 1


def test_joining_after_leaving_is_live_again_under_a_new_record(
    joined: Ledger, signed: bytes, installation: Secret
) -> None:
    left = joined.leave(DEMO, now_ms=NOW_MS, installation=installation)
    again = joined.join(signed, installation=installation, now_ms=NOW_MS + 1)
    assert left is not None
    assert again.record_id != left.record_id
    assert refusal(joined) is None
    assert len(joined.outbox()) == 1


def test_single_segments_can_be_asked_to_be_erased(joined: Ledger, home: Path, installation: Secret) -> None:
    path = joined.request_deletion(
        DEMO, segments=[(0, 3), (1, 4)], installation=installation, now_ms=NOW_MS, reason="forgotten"
    )
    ((found, data),) = joined.outbox()
    assert found == path
    assert open_document(DELETION_REQUEST, data, DeletionRequest).payload.segments == ((0, 3), (1, 4))
    with pytest.raises(ConsentError):
        joined.settled(home / "consent/demo/record.json")
    assert refusal(joined) is None


# Pausing --------------------------------------------------------------------------------------------------------------


def test_pause_holds_until_its_end_and_resume_ends_it(ledger: Ledger) -> None:
    ledger.pause(NOW_MS + 100, NOW_MS)
    assert ledger.paused(NOW_MS + 99)
    assert not ledger.paused(NOW_MS + 100)
    assert ledger.paused_until == NOW_MS + 100
    ledger.resume()
    assert not ledger.paused(NOW_MS)
    assert ledger.paused_until is None
    ledger.resume()


def test_pause_without_an_end_holds_until_resumed(ledger: Ledger) -> None:
    ledger.pause(None, NOW_MS)
    assert ledger.paused(NOW_MS + 10_000 * DAY_MS)
    assert ledger.paused_until == UNTIL_RESUMED
    ledger.resume()
    assert not ledger.paused(NOW_MS)


def test_shorter_pause_replaces_a_longer_one(ledger: Ledger) -> None:
    ledger.pause(None, NOW_MS)
    ledger.pause(NOW_MS + 5, NOW_MS)
    assert ledger.paused_until == NOW_MS + 5


def test_pause_that_would_end_in_the_past_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ConsentError):
        ledger.pause(NOW_MS, NOW_MS)


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}", b'{"until_ms": "x"}', b'{"until_ms": -1}', b"\xff"])
def test_pause_that_cannot_be_read_holds(ledger: Ledger, home: Path, content: bytes) -> None:
    (home / "consent").mkdir(parents=True)
    (home / "consent/pause.json").write_bytes(content)
    assert ledger.paused(NOW_MS)
    ledger.resume()
    assert not ledger.paused(NOW_MS)


def test_unreadable_pause_holds(ledger: Ledger, home: Path) -> None:
    (home / "consent/pause.json").mkdir(parents=True)
    assert ledger.paused(NOW_MS)


def test_resumed_pause_leaves_no_moment_that_a_later_pause_could_inherit(joined: Ledger, home: Path) -> None:
    joined.pause(NOW_MS + 5, NOW_MS)
    joined.resume()
    assert (home / "consent/pause.spare").read_bytes() == b""


# Files that are not what they should be -------------------------------------------------------------------------------


def _folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("record-garbage", lambda f: (f / "record.json").write_bytes(b"\x00garbage"), "consent-malformed"),
    ("record-empty", lambda f: (f / "record.json").write_bytes(b""), "consent-malformed"),
    ("record-huge", lambda f: (f / "record.json").write_bytes(b" " * 2_000_000), "consent-malformed"),
    ("record-folder", lambda f: _folder_instead(f / "record.json"), "consent-unreadable"),
    ("manifest-garbage", lambda f: (f / "manifest.json").write_bytes(b"[]"), "manifest-invalid"),
    ("manifest-gone", lambda f: (f / "manifest.json").unlink(), "manifest-invalid"),
    (
        "manifest-folder",
        lambda f: ((f / "manifest.json").unlink(), (f / "manifest.json").mkdir()),
        "consent-unreadable",
    ),
    ("narrowing-gone", lambda f: (f / "narrowing.json").unlink(), "consent-malformed"),
    ("narrowing-garbage", lambda f: (f / "narrowing.json").write_bytes(b"{}"), "consent-malformed"),
    (
        "narrowing-widened",
        lambda f: (f / "narrowing.json").write_bytes((f / "narrowing.json").read_bytes().replace(b'"clients/"', b"")),
        "consent-malformed",
    ),
    ("offer-garbage", lambda f: (f / "offered.json").write_bytes(b"garbage"), "manifest-invalid"),
    ("record-of-marker", lambda f: (f / "record.json").rename(f / "withdrawn-5.json"), "consent-withdrawn"),
]


@pytest.mark.parametrize(("damage", "code"), [case[1:] for case in DAMAGES], ids=[case[0] for case in DAMAGES])
def test_damaged_files_close_the_grant_with_a_code(
    ledger: Ledger, home: Path, signed: bytes, installation: Secret, damage: Callable[[Path], object], code: str
) -> None:
    ledger.join(signed, installation=installation, now_ms=NOW_MS, deny=["clients/"])
    before = ledger.fingerprint()
    damage(home / "consent/demo")
    assert refusal(ledger) == code
    assert ledger.fingerprint() != before or "offer" in code or (home / "consent/demo/offered.json").exists()


def test_damaged_consent_can_be_left_and_joined_again(
    joined: Ledger, home: Path, signed: bytes, installation: Secret
) -> None:
    for name in ("record.json", "manifest.json", "narrowing.json"):
        (home / "consent/demo" / name).write_bytes(b"garbage")
        assert refusal(joined) is not None
        joined.join(signed, installation=installation, now_ms=NOW_MS)
        assert refusal(joined) is None


def test_manifest_of_another_owner_put_in_place_is_refused(
    joined: Ledger, home: Path, variant: Callable[..., bytes]
) -> None:
    forged = variant(signer=SigningKey(seed("usurper")))
    (home / "consent/demo/manifest.json").write_bytes(forged)
    assert refusal(joined) == "study-owner-changed"


def test_offer_of_another_owner_put_in_place_is_refused(
    joined: Ledger, home: Path, variant: Callable[..., bytes]
) -> None:
    (home / "consent/demo/offered.json").write_bytes(variant(version=2, signer=SigningKey(seed("usurper"))))
    assert refusal(joined) == "study-owner-changed"


def test_wider_manifest_put_in_place_is_refused(joined: Ledger, home: Path, variant: Callable[..., bytes]) -> None:
    (home / "consent/demo/manifest.json").write_bytes(variant(version=2, hold_s=0))
    assert refusal(joined) == "study-changed"


def test_record_of_another_study_put_in_place_is_refused(
    joined: Ledger, home: Path, variant: Callable[..., bytes], installation: Secret
) -> None:
    joined.join(variant(id="other"), installation=installation, now_ms=NOW_MS)
    (home / "consent/demo/record.json").write_bytes((home / "consent/other/record.json").read_bytes())
    assert [grant.refusal for grant in joined.grants(NOW_MS)] == ["consent-malformed", None]


def test_consent_to_another_study_under_this_name_is_refused(
    joined: Ledger, home: Path, variant: Callable[..., bytes], installation: Secret
) -> None:
    joined.join(variant(id="other"), installation=installation, now_ms=NOW_MS)
    for name in ("record.json", "manifest.json", "narrowing.json"):
        (home / "consent/demo" / name).write_bytes((home / "consent/other" / name).read_bytes())
    assert [grant.refusal for grant in joined.grants(NOW_MS)] == ["consent-malformed", None]


def test_record_of_another_installation_is_refused(ledger: Ledger, signed: bytes, installation: Secret) -> None:
    ledger.join(signed, installation=seed("another installation"), now_ms=NOW_MS)
    (grant,) = ledger.grants(NOW_MS, installation=installation)
    assert grant.refusal == "consent-foreign"


def test_withdrawn_record_put_back_in_place_is_refused(joined: Ledger, home: Path, installation: Secret) -> None:
    joined.leave(DEMO, now_ms=NOW_MS, installation=installation)
    (kept,) = (home / "consent/demo/history").iterdir()
    (home / "consent/demo/record.json").write_bytes(kept.read_bytes())
    assert refusal(joined) == "consent-withdrawn"


def test_one_damaged_study_leaves_the_other_alone(
    joined: Ledger, home: Path, variant: Callable[..., bytes], installation: Secret
) -> None:
    joined.join(variant(id="other"), installation=installation, now_ms=NOW_MS)
    (home / "consent/demo/record.json").write_bytes(b"")
    assert [(grant.study, grant.live) for grant in joined.grants(NOW_MS)] == [("demo", False), ("other", True)]


def test_unreadable_folder_of_all_consents_is_refused_with_a_code(ledger: Ledger, home: Path) -> None:
    home.mkdir()
    (home / "consent").write_bytes(b"a file where a folder should be")
    assert refusal(ledger) == "consent-unreadable"
    for act in (ledger.unfinished_withdrawals, lambda: ledger.finish_withdrawals(seed("x"), NOW_MS)):
        with pytest.raises(ConsentError) as caught:
            act()
        assert caught.value.code == "consent-unreadable"


def test_unreadable_manifest_is_a_manifest_error_and_joining_mends_what_it_can(
    joined: Ledger, home: Path, signed: bytes, installation: Secret
) -> None:
    _folder_instead(home / "consent/demo/manifest.json")
    with pytest.raises(ManifestError):
        joined.manifest(DEMO)
    with pytest.raises(StoreUnwritable):
        joined.join(signed, installation=installation, now_ms=NOW_MS)
    assert refusal(joined) == "consent-unreadable"


def test_refused_grant_without_documents_raises_its_code(joined: Ledger, home: Path) -> None:
    (home / "consent/demo/record.json").write_bytes(b"")
    (grant,) = joined.grants(NOW_MS)
    with pytest.raises(ConsentError) as caught:
        _ = grant.record
    assert caught.value.code == "consent-malformed"


def test_strange_entries_are_no_studies(joined: Ledger, home: Path) -> None:
    (home / "consent" / "Not A Study").mkdir()
    (home / "consent" / "x.txt").write_text("x")
    assert [grant.study for grant in joined.grants(NOW_MS)] == ["demo"]


# Crashes between the renames of a join --------------------------------------------------------------------------------


@pytest.mark.parametrize("renames", range(4))
def test_join_that_stops_halfway_leaves_the_old_consent_or_none(
    joined: Ledger,
    home: Path,
    variant: Callable[..., bytes],
    installation: Secret,
    monkeypatch: pytest.MonkeyPatch,
    renames: int,
) -> None:
    real, done = Path.replace, 0

    def replace_some(self: Path, target: Path) -> Path:
        nonlocal done
        # The first rename files the old record in the history.
        if done > renames:
            raise OSError(5, "Input/output error")
        done += 1
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace_some)
    wider = variant(version=2, hold_s=0)
    with contextlib.suppress(StoreUnwritable):
        joined.join(wider, installation=installation, now_ms=NOW_MS + 1)
    monkeypatch.undo()
    (grant,) = joined.grants(NOW_MS + 1)
    if grant.live:
        assert grant.manifest.version == grant.record.study_version
        assert (grant.record.study_version == 2) == (renames == 3)
    assert not list((home / "consent/demo").glob(".new-*"))


# The fingerprint ------------------------------------------------------------------------------------------------------


def test_fingerprint_changes_with_every_act_of_any_process(
    home: Path, signed: bytes, variant: Callable[..., bytes], installation: Secret
) -> None:
    watcher, actor = Ledger(home), Ledger(home)
    acts: list[Callable[[], object]] = [
        lambda: actor.join(signed, installation=installation, now_ms=NOW_MS),
        lambda: actor.pause(NOW_MS + 5, NOW_MS),
        lambda: actor.pause(NOW_MS + 6, NOW_MS),
        actor.resume,
        lambda: actor.renew(variant(version=2, hold_s=1)),
        lambda: actor.join(variant(version=2, hold_s=1), installation=installation, now_ms=NOW_MS),
        lambda: actor.leave(DEMO, now_ms=NOW_MS, installation=None),
        lambda: actor.join(variant(version=2, hold_s=1), installation=installation, now_ms=NOW_MS),
        lambda: actor.leave(DEMO, now_ms=NOW_MS, installation=installation),
    ]
    last = watcher.fingerprint()
    for number, act in enumerate(acts):
        act()
        now = watcher.fingerprint()
        assert now != last, number
        assert watcher.fingerprint() == now
        last = now


def test_fingerprint_sees_changes_within_one_tick_of_the_clock(joined: Ledger, home: Path) -> None:
    top = home / "consent"
    frozen = (top.stat().st_atime_ns, top.stat().st_mtime_ns)
    seen = set()
    for _ in range(5):
        joined.pause(None, NOW_MS)
        seen.add(joined.fingerprint())
        joined.resume()
        seen.add(joined.fingerprint())
    assert len(seen) == 10
    assert top.stat().st_mtime_ns > frozen[1]


def test_fingerprint_sees_a_record_put_back_by_hand(joined: Ledger, home: Path) -> None:
    record = home / "consent/demo/record.json"
    data = record.read_bytes()
    record.unlink()
    gone = joined.fingerprint()
    record.write_bytes(data)
    back = joined.fingerprint()
    assert back != gone
    record.write_bytes(data[:-1])
    os.utime(record, ns=(1, 1))
    assert joined.fingerprint() != back


def test_every_error_of_the_ledger_has_a_code(joined: Ledger, installation: Secret) -> None:
    for act in (
        lambda: joined.join(b"", installation=installation, now_ms=NOW_MS),
        lambda: joined.decline(b"", now_ms=NOW_MS),
        lambda: joined.renew(b""),
        lambda: joined.leave(StudyId(""), now_ms=NOW_MS, installation=None),
        lambda: joined.manifest(StudyId("..")),
    ):
        with pytest.raises(OvertError) as caught:
            act()
        assert caught.value.code
