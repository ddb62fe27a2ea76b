"""The manifest: what a study owner writes, and what of it can be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consent_ledger.manifest import (
    CONTROL_KINDS,
    STUDY_MANIFEST,
    Controller,
    Purpose,
    Receiver,
    ScopeRules,
    StudyManifest,
    WorkspaceRule,
    manifest_digest,
    manifest_from_toml,
    manifest_to_toml,
    notice_digest,
    read_manifest,
    requires_new_consent,
    sign_manifest,
)
from consent_ledger.study_checks import MAX_ENTRIES, MAX_NOTICE, moment_ms
from event_model.errors import ManifestError, OvertError, SignatureError
from event_model.keys import Secret, SigningKey
from event_model.levels import Level
from event_model.signed import sign_document


def test_template_reads_as_a_manifest(manifest: StudyManifest) -> None:
    assert manifest.id == "demo"
    assert manifest.kinds["document.edit"] is Level.CONTENT
    assert manifest.notice_digest == notice_digest(manifest.notice)


def test_toml_written_reads_back_the_same(manifest: StudyManifest) -> None:
    odd = replace(manifest, title='Quotes " and \\ and ünïcode 🦉', k=7)
    assert manifest_from_toml(manifest_to_toml(odd)) == odd


def test_signed_manifest_reads_back_with_its_digest(manifest: StudyManifest, owner: SigningKey) -> None:
    signed = read_manifest(sign_manifest(manifest, owner), key=owner.verify_key)
    assert signed.payload == manifest
    assert signed.digest == manifest_digest(manifest)
    assert signed.key == owner.verify_key


def test_control_kinds_belong_to_every_study(manifest: StudyManifest) -> None:
    assert set(CONTROL_KINDS) <= set(manifest.levels)
    assert set(manifest.levels) == set(manifest.kinds) | set(CONTROL_KINDS)


BAD_TOML: list[tuple[str, Callable[[str], str], str]] = [
    ("no-toml", lambda t: t + "\n[", "not TOML"),
    ("unknown-key", lambda t: t.replace("version =", "versoin = 1\nversion ="), "versoin is no field"),
    ("unknown-nested", lambda t: t.replace("[scope]", "[scope]\nallow = []"), "scope.allow is no field"),
    ("unknown-rule", lambda t: t.replace("remote =", "url ="), "scope.workspaces[].url is no field"),
    ("missing", lambda t: t.replace("title =", "# title ="), "title is missing"),
    ("missing-nested", lambda t: t.replace("contact =", "# contact ="), "controller.contact is missing"),
    ("missing-end", lambda t: t.replace("end =", "# end ="), "end is missing"),
    ("wrong-type", lambda t: t.replace("version = 1", 'version = "1"'), "version: Expected `int`"),
    ("version-zero", lambda t: t.replace("version = 1", "version = 0"), "version must lie between"),
    ("unknown-kind", lambda t: t.replace("document.edit", "document.edti"), "did you mean 'document.edit'"),
    ("odd-kind", lambda t: t.replace("document.edit", "zzz"), "the kinds are"),
    ("unknown-level", lambda t: t.replace('= "content"', '= "all"'), "one of rhythm, shape, content"),
    ("edit-alone", lambda t: t.replace('"document.open" = "content"', ""), "without 'document.open'"),
    ("bad-id", lambda t: t.replace('id = "demo"', 'id = "../demo"'), "id must be"),
    ("no-offset", lambda t: t.replace("start = 2025-12-01", "start = 2025-12-01T00:00:00"), "has no offset"),
    ("no-date", lambda t: t.replace("start = 2025-12-01", 'start = "soon"'), "start must be a date"),
    ("no-such-day", lambda t: t.replace("start = 2025-12-01", 'start = "2025-02-30"'), "not in the calendar"),
    ("before-1970", lambda t: t.replace("start = 2025-12-01", "start = 1969-12-01"), "before 1970"),
    ("ends-first", lambda t: t.replace("end = 2026", "end = 2024"), "before it starts"),
    ("http", lambda t: t.replace("https://receiver", "http://receiver"), "must be https"),
    ("no-url", lambda t: t.replace("https://receiver.example.org", "receiver"), "not an https URL"),
    (
        "bad-port",
        lambda t: t.replace("receiver.example.org", "receiver.example.org:99999"),
        "receiver.url is not a URL",
    ),
    ("credentials", lambda t: t.replace("https://receiver", "https://a:b@receiver"), "no user name"),
    ("k-one", lambda t: t.replace("k = 5", "k = 1"), "k must lie between"),
    ("round", lambda t: t.replace("release_round_s = 60", "release_round_s = 0"), "release_round_s must lie between 1"),
    ("gap", lambda t: t.replace("release_gap_s = 2", "release_gap_s = 0"), "release_gap_s must lie between 1"),
    ("settle", lambda t: t.replace("settle_s = 120", "settle_s = 29"), "settle_s must lie between 30"),
    ("hold", lambda t: t.replace("hold_s = 86400", "hold_s = -1"), "hold_s must lie between"),
    ("retention", lambda t: t.replace("retention_days = 365", "retention_days = 0"), "retention_days must lie"),
    ("legal-basis", lambda t: t.replace("eu-gdpr:A6-1-a", "because"), "legal_basis must be"),
    ("dpv", lambda t: t.replace("dpv:ResearchAndDevelopment", "research"), "dpv must be"),
    ("negated-deny", lambda t: t.replace('"private/"', '"!.env"'), "rules are added, never taken back"),
    ("comment-deny", lambda t: t.replace('"private/"', '"#x"'), "can't begin with '#'"),
    ("empty-deny", lambda t: t.replace('"private/"', '""'), "a pattern is empty"),
    ("empty-rule", lambda t: t.replace('{ remote = "github.com/example/*" }', "{}"), "neither remote nor path"),
    ("whole-disk", lambda t: t.replace('remote = "github.com/example/*"', 'path = "/**"'), "must name something"),
    ("relative-path", lambda t: t.replace('remote = "github.com/example/*"', 'path = "src"'), "begins with"),
    ("upward-path", lambda t: t.replace('remote = "github.com/example/*"', 'path = "/a/../b"'), "can't contain '..'"),
    ("any-remote", lambda t: t.replace("github.com/example/*", "**"), "written host/path"),
    ("deep-remote", lambda t: t.replace("github.com/example/*", "h/**/a/**/b/**"), "at most 2 times"),
    ("recipient", lambda t: t.replace("recipients = [", 'recipients = ["AAAA", '), "recipients: a recipient key has"),
    ("no-recipient", lambda t: t.replace("recipients = [", "recipients = []\n# "), "recipients is empty"),
    ("digest", lambda t: f'notice_digest = "{"0" * 64}"\n{t}', "notice_digest is not"),
    ("schema", lambda t: "schema = 2\n" + t, "this version of overt knows"),
    ("no-name", lambda t: t.replace("Who answers for the data", " "), "controller.name is empty"),
    ("two-lines", lambda t: t.replace("Who answers for the data", "a\\nb"), "more than one line"),
    ("hidden-text", lambda t: t.replace("Who answers for the data", "a\\u001bb"), "control characters"),
    ("turned-text", lambda t: t.replace("Who answers for the data", "a\\u202eb"), "control characters"),
    ("no-scope", lambda t: t.replace("workspaces =", "# workspaces ="), "the study would capture nothing"),
    ("origin-path", lambda t: t.replace("[scope]", '[scope]\nweb_origins = ["https://a.b/c"]'), "an origin is written"),
    ("origin-any", lambda t: t.replace("[scope]", '[scope]\nweb_origins = ["https://*"]'), "an origin is written"),
]


@pytest.mark.parametrize(("edit", "sentence"), [case[1:] for case in BAD_TOML], ids=[case[0] for case in BAD_TOML])
def test_toml_that_breaks_a_rule_is_refused_with_a_sentence(
    toml: str, edit: Callable[[str], str], sentence: str
) -> None:
    assert edit(toml) != toml
    with pytest.raises(ManifestError) as caught:
        manifest_from_toml(edit(toml))
    assert sentence in caught.value.message
    assert caught.value.code == "manifest-invalid"
    assert caught.value.hint


@given(st.text(max_size=300))
def test_any_text_as_toml_gives_a_manifest_error(text: str) -> None:
    with pytest.raises(ManifestError):
        manifest_from_toml(text)


@given(st.binary(max_size=300))
def test_any_bytes_as_signed_manifest_give_a_manifest_error(data: bytes) -> None:
    with pytest.raises(ManifestError):
        read_manifest(data)


def test_loopback_receiver_may_speak_http(manifest: StudyManifest) -> None:
    for url in ("http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:8080/base"):
        assert replace(manifest, receiver=Receiver(url=url, key=manifest.receiver.key)).receiver.url == url


def test_web_origins_may_have_ports_and_a_leading_star(manifest: StudyManifest) -> None:
    origins = ("https://tracker.corp.example", "https://*.corp.example:8443", "http://10.0.0.1:8080")
    scope = ScopeRules(web_origins=origins)
    assert replace(manifest, scope=scope).scope.workspaces == ()


def test_a_manifest_that_breaks_a_rule_cannot_be_made(manifest: StudyManifest) -> None:
    with pytest.raises(ManifestError, match="k must lie"):
        replace(manifest, k=0)
    with pytest.raises(ManifestError, match="at most"):
        replace(manifest, notice="x" * (MAX_NOTICE + 1))
    with pytest.raises(ManifestError, match="entries"):
        replace(manifest, scope=ScopeRules(workspaces=(WorkspaceRule(path="/a"),) * (MAX_ENTRIES + 1)))
    with pytest.raises(ManifestError, match="same id"):
        replace(manifest, purposes=manifest.purposes * 2)
    with pytest.raises(ManifestError, match="twice"):
        replace(manifest, recipients=manifest.recipients * 2)
    with pytest.raises(ManifestError, match="capture nothing"):
        replace(manifest, kinds={"capture.start": Level.CONTENT})


def test_end_date_includes_its_day(manifest: StudyManifest) -> None:
    assert moment_ms("2026-01-01", field="end", end_of_day=True) == moment_ms("2026-01-02T00:00:00Z", field="x")
    assert moment_ms("2026-01-01T02:00:00+02:00", field="x") == moment_ms("2026-01-01", field="x")
    assert replace(manifest, end="2026-01-01T00:00:00Z").end_ms == moment_ms("2026-01-01", field="x")


# Tampering: whatever is changed under a signature is seen. ------------------------------------------------------------


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path, value


def _changed(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    return "changed"


def test_every_field_of_a_signed_manifest_is_guarded(signed: bytes) -> None:
    document = msgspec.json.decode(signed)
    leaves = list(_leaves(document["payload"]))
    assert {path[0] for path, _ in leaves} == set(StudyManifest.__struct_fields__)
    for path, value in leaves:
        tampered = msgspec.json.decode(signed)
        place = tampered["payload"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = _changed(value)
        with pytest.raises((SignatureError, ManifestError)):
            read_manifest(msgspec.json.encode(tampered))


@pytest.mark.parametrize("field", sorted(StudyManifest.__struct_fields__))
def test_a_field_taken_out_of_a_signed_manifest_is_seen(signed: bytes, field: str) -> None:
    document = msgspec.json.decode(signed)
    del document["payload"][field]
    with pytest.raises((SignatureError, ManifestError)):
        read_manifest(msgspec.json.encode(document))


def test_a_field_added_under_the_owners_signature_is_refused(manifest: StudyManifest, owner: SigningKey) -> None:
    fields = [*((name, Any) for name in StudyManifest.__struct_fields__), ("curfew", str)]
    later_version: Any = msgspec.defstruct("LaterVersion", fields)
    wider = later_version(**msgspec.to_builtins(manifest), curfew="22:00")
    with pytest.raises(ManifestError, match="curfew is no field"):
        read_manifest(sign_document(STUDY_MANIFEST, wider, owner))


def test_a_signature_of_another_type_or_key_is_refused(manifest: StudyManifest, owner: SigningKey) -> None:
    with pytest.raises(ManifestError):
        read_manifest(sign_document("consent-record", manifest, owner))
    stranger = SigningKey(Secret(bytes(32)))
    with pytest.raises(SignatureError):
        read_manifest(sign_manifest(manifest, stranger), key=owner.verify_key)
    document = msgspec.json.decode(sign_manifest(manifest, owner))
    document["key"] = msgspec.json.decode(sign_manifest(manifest, stranger))["key"]
    with pytest.raises(SignatureError):
        read_manifest(msgspec.json.encode(document))


@given(st.data())
def test_one_changed_byte_never_passes_as_another_manifest(signed: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(signed) - 1))
    value = data.draw(st.integers(0, 255))
    changed = signed[:place] + bytes([value]) + signed[place + 1 :]
    try:
        found = read_manifest(changed)
    except OvertError:
        return
    # Base64 leaves spare bits in the last letter of the signature or key; the content is the same then.
    assert found.payload == read_manifest(signed).payload


# What a new version has to ask for. -----------------------------------------------------------------------------------

ASKS: list[tuple[str, Callable[[StudyManifest], dict[str, Any]], tuple[str, ...]]] = [
    ("title", lambda m: {"title": "Another"}, ()),
    ("version", lambda m: {"version": 2}, ()),
    ("contact", lambda m: {"controller": Controller(name=m.controller.name, contact="new@example.org")}, ()),
    ("controller", lambda m: {"controller": Controller(name="Someone else", contact="x")}, ("controller",)),
    ("purpose-more", lambda m: {"purposes": (*m.purposes, Purpose(id="ads", dpv="dpv:A", text="x"))}, ("purposes",)),
    ("legal-basis", lambda m: {"legal_basis": "dpv:Consent"}, ("legal_basis",)),
    ("kind-more", lambda m: {"kinds": {**m.kinds, "command.run": Level.RHYTHM}}, ("kinds",)),
    ("level-up", lambda m: {"kinds": {**m.kinds, "capture.start": Level.CONTENT}}, ()),
    ("level-down", lambda m: {"kinds": {**m.kinds, "document.edit": Level.SHAPE}}, ()),
    ("kind-less", lambda m: {"kinds": {"document.open": Level.CONTENT}}, ()),
    (
        "workspace-more",
        lambda m: {"scope": replace(m.scope, workspaces=(*m.scope.workspaces, WorkspaceRule(path="/w")))},
        ("scope",),
    ),
    ("deny-less", lambda m: {"scope": replace(m.scope, deny=())}, ("scope",)),
    ("deny-more", lambda m: {"scope": replace(m.scope, deny=(*m.scope.deny, "x"))}, ()),
    ("origin-more", lambda m: {"scope": replace(m.scope, web_origins=("https://a.example",))}, ("scope",)),
    ("hold-less", lambda m: {"hold_s": m.hold_s - 1}, ("hold_s",)),
    ("hold-more", lambda m: {"hold_s": m.hold_s + 1}, ()),
    ("settle-less", lambda m: {"settle_s": m.settle_s - 1}, ("settle_s",)),
    ("retention-more", lambda m: {"retention_days": m.retention_days + 1}, ("retention_days",)),
    ("retention-less", lambda m: {"retention_days": m.retention_days - 1}, ()),
    ("earlier-start", lambda m: {"start": "2025-11-01"}, ("start",)),
    ("later-start", lambda m: {"start": "2025-12-15"}, ()),
    ("later-end", lambda m: {"end": "2027-01-01"}, ("end",)),
    ("earlier-end", lambda m: {"end": "2026-05-01"}, ()),
    ("k-less", lambda m: {"k": m.k - 1}, ("k",)),
    ("round-less", lambda m: {"release_round_s": m.release_round_s - 1}, ("release_round_s",)),
    ("round-more", lambda m: {"release_round_s": m.release_round_s + 1}, ()),
    ("gap-less", lambda m: {"release_gap_s": m.release_gap_s - 1}, ("release_gap_s",)),
    ("k-more", lambda m: {"k": m.k + 1}, ()),
    ("receiver", lambda m: {"receiver": Receiver(url="https://other.example", key=m.receiver.key)}, ("receiver",)),
    (
        "notice",
        lambda m: {"notice": "Other words.", "notice_digest": notice_digest("Other words.")},
        ("notice", "notice_digest"),
    ),
]


@pytest.mark.parametrize(("change", "asked"), [case[1:] for case in ASKS], ids=[case[0] for case in ASKS])
def test_a_change_asks_again_only_if_it_takes_more(
    manifest: StudyManifest, change: Callable[[StudyManifest], dict[str, Any]], asked: tuple[str, ...]
) -> None:
    assert requires_new_consent(manifest, replace(manifest, **change(manifest))) == asked


def test_a_raised_level_asks_again(manifest: StudyManifest) -> None:
    low = replace(manifest, kinds={**manifest.kinds, "document.edit": Level.RHYTHM})
    assert requires_new_consent(low, manifest) == ("kinds",)


def test_every_field_has_an_answer_to_whether_its_change_asks_more() -> None:
    from consent_ledger.manifest import _ASKS_MORE

    assert set(_ASKS_MORE) == set(StudyManifest.__struct_fields__)
