"""overt doctor: each usual fault is found, named by a stable code, and comes with the way out."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from browser_bridge.papers import Address, Papers
from overt import __version__
from overt.device import Device
from overt.diagnosis import Finding, diagnose
from overt.setup.plan import Surroundings, find_plugin
from overt.setup.targets import TARGETS, neovim
from tests.lsp_collector.lsp_person import Participant

TOOLS = Path(sys.executable).parent


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Participant:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    (tmp_path / "work").mkdir()
    person = Participant(tmp_path / "home", tmp_path / "work")
    person.join()
    return person


def look(person: Participant, environment: Mapping[str, str] | None = None) -> dict[str, Finding]:
    base = {"PATH": str(TOOLS), "OVERT_HOST": "own"}
    user = person.home.parent / "user"
    here = Surroundings(
        user, person.home, sys.executable, "linux", {**base, **(environment or {})}, lambda _: None, find_plugin
    )
    return {each.check: each for each in diagnose(Device(person.home), here)}


def wrong(person: Participant, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    found = look(person, environment).values()
    assert all(each.hint and each.exit_code for each in found if not each.ok)
    return {each.check: each.code for each in found if not each.ok}


def program(folder: Path, words: str, *, shebang: str = "/bin/sh") -> Path:
    folder.mkdir()
    path = folder / "overt"
    path.write_text(f"#!{shebang}\n{words}\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


def test_nothing_is_wrong_with_a_sound_installation(person: Participant) -> None:
    found = look(person)
    assert wrong(person) == {}
    assert {"version", "on PATH", "sidecar", "host", "folder", "consent", "keys"} <= set(found)
    assert found["consent"].detail == "editor-study"


def test_a_sidecar_that_is_not_on_the_path(person: Participant, tmp_path: Path) -> None:
    assert wrong(person, {"PATH": str(tmp_path)}) == {"on PATH": "not-on-path"}


def test_a_program_whose_python_is_gone(person: Participant, tmp_path: Path) -> None:
    gone = program(tmp_path / "old", "", shebang="/no/such/python")
    assert wrong(person, {"PATH": str(gone)}) == {"on PATH": "wrong-python"}


def test_two_versions(person: Participant, tmp_path: Path) -> None:
    other = program(tmp_path / "old", "echo 'overt, version 0.0.9'")
    found = wrong(person, {"PATH": os.pathsep.join([str(TOOLS), str(other)])})
    assert found == {"one version": "two-versions"}


def test_a_sidecar_that_does_not_start(person: Participant, tmp_path: Path) -> None:
    broken = program(tmp_path / "old", f"[ $1 = --version ] && echo 'overt, version {__version__}' && exit; exit 3")
    assert wrong(person, {"PATH": str(broken)}) == {"sidecar": "sidecar-broken"}


def test_a_remote_host(person: Participant) -> None:
    assert wrong(person, {"SSH_CONNECTION": "1", "OVERT_HOST": ""}) == {"host": "remote-host"}


def test_an_engine_of_the_filter_that_is_not_there(person: Participant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERT_ENGINE", "trawler")
    assert wrong(person)["filter"] == "filter-unavailable"


def test_a_folder_that_others_can_look_into(person: Participant) -> None:
    (person.home / "keys" / "root.key").touch()
    person.home.chmod(0o755)
    assert wrong(person) == {"folder": "folder-open"}


def test_a_key_that_is_gone(person: Participant) -> None:
    (person.home / "keys" / "root.key").unlink()
    found = look(person)["keys"]
    assert (found.ok, found.code, found.exit_code) == (False, "key-missing", 4)
    assert "overt keys restore" in found.hint


def test_a_store_that_is_damaged(person: Participant) -> None:
    asyncio.run(person.kept())
    database = person.home / "store" / "overt.sqlite3"
    database.write_bytes(b"no database at all" * 100)
    found = look(person)["store"]
    assert (found.ok, found.exit_code) == (False, 6)


def test_a_store_that_is_mended(person: Participant) -> None:
    asyncio.run(person.kept())
    database = person.home / "store" / "overt.sqlite3"
    data = database.read_bytes()
    database.write_bytes(bytes(1024) + data[1024:])
    found = look(person)["store"]
    assert found.ok
    assert "mended" in found.detail
    assert str(database) in found.detail  # where the damaged one is


def test_a_plugin_of_another_version(person: Participant) -> None:
    user = person.home.parent / "user"
    here = Surroundings(user, person.home, sys.executable, "linux", {}, lambda _: None, find_plugin)
    for change in neovim(here).changes:
        change.apply()
    assert wrong(person) == {}
    version = user / ".local/share/nvim/site/pack/overt/start/overt/lua/overt/version.lua"
    version.write_text('return "0.0.9"\n', "utf-8")
    assert wrong(person) == {"plugin neovim": "plugin-differs"}
    assert "overt setup neovim" in look(person)["plugin neovim"].hint
    (user / ".vscode" / "extensions" / "overt.overt-0.0.1").mkdir(parents=True)
    assert wrong(person)["plugin vscode"] == "plugin-differs"


def test_a_plugin_whose_overt_is_gone(person: Participant) -> None:
    user = person.home.parent / "user"
    here = Surroundings(user, person.home, sys.executable, "linux", {}, lambda _: None, find_plugin)
    copy, started_by = neovim(here).changes
    copy.apply()
    msgspec.structs.replace(started_by, text='return { "/gone/python3", "-m", "overt" }\n').apply()
    assert wrong(person) == {"plugin neovim": "plugin-command-gone"}
    assert "/gone/python3" in look(person)["plugin neovim"].detail
    started_by.apply()
    assert wrong(person) == {}


def test_a_browser_that_is_introduced_to_another_overt(person: Participant) -> None:
    user = person.home.parent / "user"
    here = Surroundings(user, person.home, sys.executable, "linux", {}, lambda _: None, find_plugin)
    (change,) = TARGETS["chromium"](here).changes
    assert "browser chromium" not in look(person)
    change.apply()
    assert look(person)["browser chromium"].ok
    (person.home / "bridge" / "native-host").unlink()
    assert wrong(person) == {"browser chromium": "browser-differs"}
    assert "overt setup chromium" in look(person)["browser chromium"].hint


def test_bridge_files_that_another_user_could_have_put_there(person: Participant) -> None:
    assert "bridge" not in look(person)
    papers = Papers(person.home)
    papers.key()
    assert look(person)["bridge"].ok
    papers.put_address(Address(1, 1))
    (papers.folder / "address.json").chmod(0o660)
    assert wrong(person) == {"bridge": "bridge-foreign"}
    (papers.folder / "address.json").unlink()
    (papers.folder / "key").write_bytes(b"short")
    assert wrong(person) == {"bridge": "bridge-key-damaged"}


def test_looking_changes_nothing(tmp_path: Path, person: Participant) -> None:
    before = sorted(tmp_path.rglob("*"))
    look(person)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_versions_of_plugins_are_the_sidecars() -> None:
    for name, words in {
        "neovim/lua/overt/version.lua": f'return "{__version__}"',
        "emacs/overt.el": f'(defconst overt-version "{__version__}"',
    }.items():
        path = find_plugin(name)
        assert path is not None
        assert words in path.read_text("utf-8")
