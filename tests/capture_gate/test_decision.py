"""Pure decisions: levels, ceilings, places."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from capture_gate.decision import MAX_CONTENT_CHARS, MAX_CONTENT_LINE_CHARS, ceiling_of, level_of, refusal
from capture_gate.locate import _parse_remotes, locate
from event_model.events import CapturePause, DocumentSave, EditorFocus
from event_model.ids import DocumentId
from event_model.levels import Level


def test_level_is_the_studys_and_never_above_the_ceiling() -> None:
    levels = {"document.save": Level.SHAPE}
    assert level_of(levels, DocumentSave(DocumentId(1))) is Level.SHAPE
    assert level_of(levels, DocumentSave(DocumentId(1)), Level.RHYTHM) is Level.RHYTHM
    assert level_of(levels, EditorFocus(focused=True)) is None


def test_the_collectors_own_kinds_need_no_entry() -> None:
    assert level_of({}, CapturePause()) is Level.CONTENT


@pytest.mark.parametrize(
    ("text", "level", "code"),
    [
        ("x\n" * 10, Level.CONTENT, None),
        ("x\n" * (MAX_CONTENT_CHARS // 2), Level.CONTENT, None),
        ("x\n" * (MAX_CONTENT_CHARS // 2 + 1), Level.SHAPE, "document-large"),
        ("x" * MAX_CONTENT_LINE_CHARS, Level.CONTENT, None),
        ("x" * (MAX_CONTENT_LINE_CHARS + 1), Level.SHAPE, "line-too-long"),
    ],
)
def test_ceiling_by_size(text: str, level: Level, code: str | None) -> None:
    assert ceiling_of(text) == (level, code)


def test_a_refusal_without_a_sentence_still_has_its_code() -> None:
    assert refusal("no-such-code").detail == "no-such-code"


def test_locate_finds_the_working_copy_and_its_remotes(tmp_path: Path) -> None:
    git = tmp_path / "repo" / ".git"
    git.mkdir(parents=True)
    (git / "config").write_text('[core]\n\tbare = false\n[remote "origin"]\n\turl = git@example.org:a/b.git\n')
    location = locate(tmp_path / "repo" / "src" / "a.py")
    assert location is not None
    assert location.root == tmp_path / "repo"
    assert location.remotes == ("git@example.org:a/b.git",)


def test_locate_follows_a_worktree_to_its_repository(tmp_path: Path) -> None:
    git = tmp_path / "repo" / ".git"
    (git / "worktrees" / "w").mkdir(parents=True)
    (git / "config").write_text('[remote "origin"]\nurl = https://example.org/a/b\n')
    (git / "worktrees" / "w" / "commondir").write_text("../..\n")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".git").write_text(f"gitdir: {git}/worktrees/w\n")
    location = locate(tmp_path / "w" / "a.py")
    assert location is not None
    assert location.remotes == ("https://example.org/a/b",)


def test_locate_resolves_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    location = locate(tmp_path / "link" / "a")
    assert location is not None
    assert location.real_path == (tmp_path / "real" / "a").resolve()


def test_a_working_copy_reached_by_a_link_is_named_as_opened_and_as_it_lies(tmp_path: Path) -> None:
    (tmp_path / "real" / ".git").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    location = locate(tmp_path / "link" / "a.py")
    assert location is not None
    assert (location.root, location.real_root) == (tmp_path / "link", (tmp_path / "real").resolve())


def test_links_in_a_circle_have_no_place(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert locate(tmp_path / "a" / "x.py") is None


@pytest.mark.parametrize("config", ["", "[", '[remote "o"]\nurl', "\x00\xff", '[remote "o"]\n  pushurl = x\n'])
def test_a_configuration_that_names_no_remote_gives_none(config: str) -> None:
    assert _parse_remotes(config) == ()


def test_a_pipe_or_device_in_place_of_the_configuration_is_not_read(tmp_path: Path) -> None:
    for name, make in (("pipe", os.mkfifo), ("device", lambda path: Path(path).symlink_to("/dev/zero"))):
        (tmp_path / name / ".git").mkdir(parents=True)
        make(str(tmp_path / name / ".git" / "config"))
        location = locate(tmp_path / name / "a.py")
        assert location is not None
        assert location.remotes == ()


def test_a_link_into_another_working_copy_borrows_no_remote(tmp_path: Path) -> None:
    for name, url in (("acme", "https://github.com/acme/a"), ("acme/vendor", "https://elsewhere.org/b")):
        (tmp_path / name / ".git").mkdir(parents=True)
        (tmp_path / name / ".git" / "config").write_text(f'[remote "origin"]\nurl = {url}\n')
    (tmp_path / "acme" / "vendor" / "src").mkdir()
    (tmp_path / "acme" / "link").symlink_to(tmp_path / "acme" / "vendor" / "src")
    location = locate(tmp_path / "acme" / "link" / "s.py")
    assert location is not None
    assert location.remotes == ()
