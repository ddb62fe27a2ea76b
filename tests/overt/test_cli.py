"""The command line as a person and as a script meet it: words, JSON, exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from event_model.clock import SystemClock
from event_model.ids import SessionId, StudyId
from local_store import mending
from local_store.custody import open_custody
from local_store.store import Store
from overt.cli import COMMANDS, exit_code, main, overt
from overt.console import DURATION, bytes_text, span_text
from sync_client.report import Problem, SyncIncomplete, SyncReport

Run = Callable[..., "Answer"]


class Answer:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("OVERT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OVERT_KEYRING", "file")

    def call(*arguments: object) -> Answer:
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        captured = capsys.readouterr()
        code = ended.value.code
        return Answer(code if isinstance(code, int) else 0, captured.out, captured.err)

    return call


@pytest.fixture
def study(run: Run, tmp_path: Path) -> Path:
    folder = tmp_path / "typing-2026"
    assert (
        run(
            "study",
            "new",
            folder,
            "--title",
            "How we edit",
            "--receiver",
            "http://127.0.0.1:9",
            "--path",
            f"{tmp_path}/w/**",
        ).code
        == 0
    )
    assert run("study", "sign", folder).code == 0
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_teaches(run: Run, name: str) -> None:
    answer = run(name, "--help")
    assert answer.code == 0
    assert len(answer.out.splitlines()) >= 5


def test_the_overview_names_every_command_without_loading_it(run: Run) -> None:
    out = run("--help").out
    assert all(re.search(rf"^  {name}\b", out, re.MULTILINE) for name in COMMANDS)


def test_names_of_commands_are_their_functions() -> None:
    with click.Context(overt) as context:
        for name in COMMANDS:
            command = overt.get_command(context, name)
            assert command is not None
            assert command.name == name


def test_a_study_is_made_signed_and_checked(run: Run, study: Path) -> None:
    assert run("study", "check", study / "study.toml").code == 0
    checked = run("study", "check", study / "study.json", "--json").json
    assert (checked["study"], checked["signed"], checked["valid"]) == ("typing-2026", True, True)
    for key in ("owner.key", "study.key", "receiver.key"):
        assert stat.S_IMODE((study / key).stat().st_mode) == 0o600


def test_keys_are_never_overwritten(run: Run, study: Path) -> None:
    before = (study / "owner.key").read_bytes()
    answer = run("study", "new", study, "--title", "again", "--receiver", "http://127.0.0.1:9")
    assert (answer.code, "[key-exists]" in answer.err) == (4, True)
    assert (study / "owner.key").read_bytes() == before


def test_what_needs_a_signed_study_says_that_it_is_not_signed_yet(run: Run, study: Path, tmp_path: Path) -> None:
    (study / "study.json").unlink()
    for arguments in (
        ("invite", study, "--out", tmp_path / "invitations"),
        ("revoke", study, "--subject", "someone"),
        ("keys", "split", study),
    ):
        answer = run("study", *arguments)
        assert "[manifest-missing]" in answer.err
        assert "overt study sign" in answer.err
    assert "give an INVITATION or a --subject" in run("study", "revoke", study).err


def test_joining_shows_everything_and_can_be_taken_back(run: Run, study: Path) -> None:
    assert run("status", "--json").json["state"] == "off"
    answer = run("join", study / "study.json", "--agree")
    for words in ("How we edit", "document.edit", "1 day, in which you can look and forget", "You have joined"):
        assert words in answer.out
    assert run("status", "--json").json["state"] == "ready"
    assert run("studies", "--json").json[0]["levels"]["document.edit"] == "content"
    assert run("leave", "typing-2026", "--json").json["left"]
    assert run("status", "--json").json["state"] == "off"


def test_leaving_needs_no_key(run: Run, study: Path, tmp_path: Path) -> None:
    run("join", study / "study.json", "--agree")
    (tmp_path / "home" / "keys" / "root.key").unlink()
    answer = run("leave", "typing-2026", "--json")
    assert (answer.code, answer.json["left"]) == (0, True)
    assert run("status", "--json").json["state"] == "off"


def test_joining_lowers_levels_and_never_raises_them(run: Run, study: Path) -> None:
    assert run("join", study / "study.json", "--agree", "--lower", "document.edit=shape").code == 0
    assert run("studies", "--json").json[0]["levels"]["document.edit"] == "shape"
    assert run("join", study / "study.json", "--agree", "--lower", "document.edit=everything").code == 3


def test_no_one_is_joined_without_being_asked(run: Run, study: Path) -> None:
    answer = run("join", study / "study.json")
    assert (answer.code, "[consent-not-asked]" in answer.err) == (3, True)
    assert run("status", "--json").json["state"] == "off"


def test_declining_costs_nothing(run: Run, study: Path) -> None:
    assert run("join", study / "study.json", "--decline", "--json").json == {"study": "typing-2026", "joined": False}
    assert run("studies", "--json").json == []


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda text: text.replace("How we edit", "How we spy"), "signature-invalid"),
        (lambda text: text[:-40], "manifest-invalid"),
        (lambda text: "", "manifest-invalid"),
        (lambda text: "[]", "manifest-invalid"),
    ],
)
def test_a_spoiled_manifest_is_refused_with_its_cause(run: Run, study: Path, spoil: Any, code: str) -> None:
    manifest = study / "study.json"
    manifest.write_text(spoil(manifest.read_text("utf-8")), "utf-8")
    answer = run("join", manifest, "--agree", "--json")
    assert answer.code in {4, 5}
    assert answer.json["error"]["code"] == code
    assert answer.json["error"]["hint"] or code == "signature-invalid"
    assert run("studies", "--json").json == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title = "How we edit"\n', "", "title is missing"),
        ("hold_s = 86400", 'hold_s = "a day"', "hold_s"),
        ("version = 1", "version = 1\nspy = true", "spy"),
        ('"document.edit" = "content"', '"document.edit" = "all"', "kinds"),
        ('"document.edit" = "content"', '"screen.record" = "content"', "screen.record"),
    ],
)
def test_a_malformed_study_is_explained(run: Run, study: Path, old: str, new: str, words: str) -> None:
    toml = study / "study.toml"
    text = toml.read_text("utf-8")
    assert old in text
    toml.write_text(text.replace(old, new), "utf-8")
    answer = run("study", "sign", study)
    assert (answer.code, words in answer.err) == (5, True), answer.err


def test_an_expired_study_can_not_be_joined(run: Run, study: Path) -> None:
    toml = study / "study.toml"
    (study / "study.json").unlink()
    text = re.sub(r"(?m)^start = .*$", "start = 2020-01-01", toml.read_text("utf-8"))
    toml.write_text(re.sub(r"(?m)^end = .*$", "end = 2020-12-31", text), "utf-8")
    assert run("study", "sign", study).code == 0
    answer = run("join", study / "study.json", "--agree")
    assert (answer.code, "[study-ended]" in answer.err) == (3, True)


def test_pause_and_resume(run: Run, study: Path) -> None:
    run("join", study / "study.json", "--agree")
    assert run("pause", "30m", "--json").json["paused_until_ms"] > 0
    assert run("status", "--json").json["state"] == "paused"
    assert run("resume").code == 0
    assert run("status", "--json").json["state"] == "ready"
    assert run("pause").code == 0
    assert run("status", "--json").json["paused_until_ms"] is None


def test_status_of_a_file_says_why_not(run: Run, study: Path, tmp_path: Path) -> None:
    run("join", study / "study.json", "--agree")
    assert run("status", tmp_path / "w" / "a.py", "--json").json["captured"]
    denied = run("status", tmp_path / "w" / ".env", "--json").json
    assert (denied["reasons"], denied["rules"]) == (["denied-path"], ["*.env"])
    assert "The rule is *.env" in run("status", tmp_path / "w" / ".env").out
    assert run("status", tmp_path / "b.py", "--json").json["reasons"] == ["out-of-scope"]


def test_doctor_names_what_is_wrong(run: Run, study: Path, tmp_path: Path) -> None:
    run("join", study / "study.json", "--agree")
    (tmp_path / "home" / "consent" / "typing-2026" / "record.json").write_text("{}")
    answer = run("doctor", "--json")
    assert answer.code in {1, 3}  # 1 where another `overt` is on PATH
    assert ["study typing-2026", False] in [[each["check"], each["ok"]] for each in answer.json]


def test_status_says_when_a_pause_ends(run: Run) -> None:
    run("pause", "30m")
    assert re.search(r"paused until \d{4}-\d\d-\d\d \d\d:\d\d", run("status").out)
    run("pause")
    assert "until you run `overt resume`" in run("status").out


def test_sync_before_any_join_makes_nothing(run: Run, tmp_path: Path) -> None:
    answer = run("sync")
    assert (answer.code, "have not joined" in answer.out) == (0, True)
    assert run("sync", "--json").json["uploaded"] == 0
    assert not (tmp_path / "home" / "keys").exists()


def test_a_sync_that_was_refused_is_not_one_that_found_nobody() -> None:
    for refused, code in ((True, 8), (False, 7)):
        problem = Problem(StudyId("s"), "x", "no", "", permanent=refused, refused=refused)
        assert exit_code(SyncIncomplete(SyncReport(problems=(problem,)))) == code


def test_a_wrong_command_line_is_json_where_json_was_asked_for(run: Run) -> None:
    answer = run("pause", "soon", "--json")
    assert answer.code == 2
    assert answer.json["error"]["code"] == "usage"
    assert "is not a time span" in answer.json["error"]["message"]


def test_nothing_captured_is_said_and_makes_no_file(run: Run, tmp_path: Path) -> None:
    for command in ("show", "verify", "status", "studies"):
        assert run(command).code == 0
    assert run("forget", "--all", "--yes").code == 0
    assert run("export").code == 6
    assert not (tmp_path / "home" / "store").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("forget",),
        ("pause", "soon"),
        ("nonsense",),
        ("forget", "--event", "3"),
        ("forget", "--since", "yesterday"),
        ("forget", "--since", "2026-01-01", "--last", "1h"),
        ("forget", "--sent", "--since", "2026-01-01"),
        ("forget", "--sent", "--study", "s", "--file", "a.py"),
        ("forget", "--sent", "--study", "s", "--since", "2026-01-02", "--until", "2026-01-01"),
    ],
)
def test_a_wrong_command_line_is_exit_code_two(run: Run, arguments: tuple[str, ...]) -> None:
    answer = run(*arguments)
    assert answer.code == 2
    assert answer.err


def test_asking_a_receiver_of_a_study_that_was_never_joined(run: Run) -> None:
    answer = run("forget", "--sent", "--study", "unknown-study", "--since", "2026-01-01", "--yes", "--json")
    assert (answer.code, answer.json["error"]["code"]) == (3, "no-such-study")


def test_leaving_with_a_damaged_store_that_is_in_use_says_how_to_erase_it(
    run: Run, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mending, "WAIT_S", 0)
    home = tmp_path / "home"
    assert run("join", study / "study.json", "--agree").code == 0
    asyncio.run(_make_store(home, "typing-2026"))
    database = home / "store" / "overt.sqlite3"
    used = mending.Presence(home / "store")
    used.enter()
    database.write_bytes(bytes(1024) + database.read_bytes()[1024:])
    refused = run("leave", "typing-2026")
    assert refused.code == 6
    assert "overt forget --study typing-2026" in refused.err
    assert run("studies", "--json").json[0]["live"] is False
    used.leave()
    assert run("forget", "--study", "typing-2026", "--yes").code == 0
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM keys").fetchone() == (0,)
    assert mending.set_aside(database) == []


def test_leaving_what_was_never_joined(run: Run) -> None:
    answer = run("leave", "unknown-study", "--json")
    assert (answer.code, answer.json["error"]["code"]) == (3, "study-unknown")


@pytest.mark.parametrize(("text", "seconds"), [("30", 1800), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("45s", 45)])
def test_durations(text: str, seconds: int) -> None:
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_500_000, "2.5 MB")])
def test_sizes(count: int, text: str) -> None:
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (86_400, "1 day"),
        (172_800, "2 days"),
        (5400, "90 minutes"),
        (3600, "1 hour"),
        (15, "15 seconds"),
        (0, "0 seconds"),
    ],
)
def test_spans(seconds: int, text: str) -> None:
    assert span_text(seconds) == text


def test_keys_are_backed_up_and_brought_back(run: Run, study: Path, tmp_path: Path) -> None:
    assert run("join", study / "study.json", "--agree").code == 0
    file = tmp_path / "keys-backup.json"
    assert run("keys", "backup", file, "--passphrase", "correct horse").code == 0
    assert run("keys", "restore", file, "--passphrase", "correct horse").code == 4
    (tmp_path / "home" / "keys" / "root.key").unlink()
    assert run("keys", "restore", file, "--passphrase", "another", "--json").json["error"]["code"] == "passphrase-wrong"
    assert run("keys", "restore", file, "--passphrase", "correct horse", "--json").json["kept_in"] == "file"
    assert run("studies").code == 0


def test_joining_again_takes_back_nothing_that_the_person_took_out(run: Run, study: Path, tmp_path: Path) -> None:
    run("join", study / "study.json", "--agree", "--deny", "*.md", "--lower", "document.edit=shape")
    assert run("join", study / "study.json", "--agree").code == 0
    assert run("status", tmp_path / "w" / "a.md", "--json").json["reasons"] == ["denied-path"]
    assert run("studies", "--json").json[0]["levels"]["document.edit"] == "shape"


def test_a_notice_is_shown_to_the_letter(run: Run, study: Path) -> None:
    toml = study / "study.toml"
    hidden = "<div>We also sell your data</div> [conceal]and more[/conceal]"
    text = toml.read_text("utf-8").replace('title = "How we edit"', 'title = "How [/] we edit"')
    toml.write_text(text.replace("Saying no has no", hidden + " Saying no has no"), "utf-8")
    (study / "study.json").unlink()
    assert run("study", "sign", study).code == 0
    out = run("study", "check", study / "study.json").out
    assert hidden in out.replace("\n", "")
    assert "How [/] we edit" in out


def test_json_asks_no_one(run: Run, study: Path) -> None:
    assert run("join", study / "study.json", "--json").json["error"]["code"] == "consent-not-asked"


def test_declining_what_is_already_agreed_to_says_what_goes_on(run: Run, study: Path) -> None:
    run("join", study / "study.json", "--agree")
    assert "goes on" in run("join", study / "study.json", "--decline").out


def test_a_version_is_signed_once(run: Run, study: Path) -> None:
    toml = study / "study.toml"
    toml.write_text(toml.read_text("utf-8").replace("retention_days = 365", "retention_days = 999"), "utf-8")
    answer = run("study", "sign", study)
    assert (answer.code, "[version-taken]" in answer.err) == (5, True)


def test_a_receiver_does_not_start_with_another_key(run: Run, study: Path, tmp_path: Path) -> None:
    answer = run("serve", "--study", study / "study.json", "--key", study / "owner.key", "--data", tmp_path / "d")
    assert (answer.code, "[key-foreign]" in answer.err) == (4, True)


def test_examples_in_help_stand_on_their_own_lines(run: Run) -> None:
    out = run("join", "--help").out
    assert "\\b" not in out
    assert "\n  overt join study.json\n" in out


def test_a_span_beyond_the_calendar_is_refused(run: Run) -> None:
    assert run("pause", "99999999d").code == 2
    assert run("status", "--json").json["state"] == "off"


def test_keys_are_rotated_and_old_backups_refused(run: Run, study: Path, tmp_path: Path) -> None:
    assert run("join", study / "study.json", "--agree").code == 0
    root = tmp_path / "home" / "keys" / "root.key"
    before, backup = root.read_bytes(), tmp_path / "keys-backup.json"
    assert run("keys", "backup", backup, "--passphrase", "correct horse").code == 0
    asyncio.run(_make_store(tmp_path / "home"))
    assert run("keys", "rotate", "--json").json["kept_in"] == "file"
    assert root.read_bytes() != before
    assert run("verify").code == 0
    root.unlink()
    refused = run("keys", "restore", backup, "--passphrase", "correct horse", "--json")
    assert refused.json["error"]["code"] == "backup-outdated"


def test_status_tells_what_it_can_without_a_key_or_with_a_damaged_store(
    run: Run, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("join", study / "study.json", "--agree").code == 0
    asyncio.run(_make_store(tmp_path / "home"))
    root = tmp_path / "home" / "keys" / "root.key"
    key = root.read_bytes()
    root.unlink()
    told = run("status", "--json").json
    assert told["store_bytes"] > 0
    assert told["trouble"]["code"] == "key-missing"
    assert "overt keys restore" in told["trouble"]["hint"]
    assert "overt keys restore" in run("status").out
    root.write_bytes(key)
    database = tmp_path / "home" / "store" / "overt.sqlite3"
    whole = database.read_bytes()
    database.write_bytes(b"no database" * 100)
    told = run("status", "--json").json
    assert told["trouble"]["code"] == "store-damaged"
    assert told["studies"][0]["live"]
    database.write_bytes(bytes(1024) + whole[1024:])
    (aside,) = run("status", "--json").json["set_aside"]
    assert aside in run("status").out
    assert run("verify", "--json").json["set_aside"] == [aside]
    assert aside in run("verify").out
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert aside in run("forget", "--all").out  # before it asks
    assert run("status", "--json").json["set_aside"] == [aside]
    assert run("forget", "--all", "--yes").code == 0
    assert run("status", "--json").json["set_aside"] == []


async def _make_store(home: Path, study: str = "test-study") -> None:
    async with await Store.open(home, open_custody(home), clock=SystemClock()) as store:
        await store.begin_session(study=StudyId(study), session=SessionId("a" * 32), source="lsp")


def test_a_kind_can_be_dropped_and_a_site_denied(run: Run, study: Path) -> None:
    run("join", study / "study.json", "--agree", "--drop", "selection.change", "--lower", "document.edit=shape")
    levels = run("studies", "--json").json[0]["levels"]
    assert "selection.change" not in levels
    assert levels["document.edit"] == "shape"
    again = run("join", "typing-2026", "--agree", "--drop", "document.save", "--deny-site", "https://wiki.example.org")
    assert again.code == 0
    levels = run("studies", "--json").json[0]["levels"]
    assert {"selection.change", "document.save"} & levels.keys() == set()
    assert levels["document.edit"] == "shape"
    answer = run("join", "typing-2026", "--agree", "--drop", "pointer.click")
    assert (answer.code, "[kind-unknown]" in answer.err) == (3, True)


def test_dropping_the_opening_of_files_drops_what_leans_on_it(run: Run, study: Path) -> None:
    run("join", study / "study.json", "--agree", "--drop", "document.open")
    levels = run("studies", "--json").json[0]["levels"]
    assert all(kind.startswith("capture.") for kind in levels)


def test_a_newer_version_waits_for_an_answer_and_keeps_what_was_taken_out(run: Run, study: Path) -> None:
    run("join", study / "study.json", "--agree", "--lower", "document.edit=shape", "--deny", "private/**",
        "--drop", "document.save")  # fmt: skip
    toml = study / "study.toml"
    text = toml.read_text("utf-8").replace("version = 1", "version = 2")
    toml.write_text(text.replace("Saying no has no consequence.", "And for another purpose."), "utf-8")
    run("study", "sign", study)
    shown = run("join", study / "study.json", "--decline")
    assert "This version changes notice" in shown.out
    assert "Nothing is captured for it until you agree" in shown.out
    assert run("status", "--json").json["studies"][0]["refusal"] == "notice-changed"
    listed = run("studies", "--json").json[0]
    assert listed["offered_version"] == 2
    assert "version 2 waits for your answer" in run("studies").out
    agreed = run("join", "typing-2026", "--agree")
    assert "You said no to this version before." in agreed.out
    after = run("studies", "--json").json[0]
    assert (after["version"], after["live"], after["offered_version"]) == (2, True, None)
    assert after["levels"]["document.edit"] == "shape"
    assert "document.save" not in after["levels"]
    narrowing = next((study.parent / "home" / "consent" / "typing-2026").glob("narrowing.json"))
    assert "private/**" in narrowing.read_text()


def test_names_of_a_roster_are_added_and_forgotten(run: Run, study: Path, tmp_path: Path) -> None:
    roster = tmp_path / "roster.txt"
    roster.write_text("# who works here\nEmmy Noether\n\ngrete.hermann@engine.example\n", "utf-8")
    assert run("names", "--add", roster).code == 3  # nothing is captured yet
    assert run("join", study / "study.json", "--agree").code == 0
    assert run("names", "--add", roster, "--json").json == {"added": 2, "names": 2}
    assert run("names", "--add", roster, "--json").json == {"added": 0, "names": 2}
    assert "looks for 2 names" in run("names").out
    assert b"noether" not in (tmp_path / "home" / "names.json").read_bytes().lower()
    assert run("names", "--clear", "--json").json == {"added": 0, "names": 0}
    roster.write_bytes(b"\xff\xfe\x00")
    assert run("names", "--add", roster).code == 5
