"""overt setup: what it would change, that it is repeatable, and that it is taken back to the byte."""

from __future__ import annotations

import json
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from event_model.errors import OvertError
from overt.setup import recipes
from overt.setup.changes import CopyFolder, MarkedBlock, RunCommand
from overt.setup.plan import Plan, Surroundings
from overt.setup.targets import TARGETS


def machine(
    tmp_path: Path, *programs: str, platform: str = "linux", environment: Mapping[str, str] | None = None
) -> Surroundings:
    plugins = tmp_path / "plugins"
    for name in ("neovim/plugin/overt.lua", "emacs/overt.el", "overt.vsix", "browser/chromium/manifest.json"):
        (plugins / name).parent.mkdir(parents=True, exist_ok=True)
        (plugins / name).write_text(name, encoding="utf-8")

    def plugin(name: str) -> Path | None:
        return plugins / name if (plugins / name).exists() else None

    return Surroundings(
        tmp_path / "user",
        tmp_path / "home",
        "/usr/bin/python3",
        platform,
        environment or {},
        lambda name: f"/usr/bin/{name}" if name in programs else None,
        plugin,
    )


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def apply(plan: Plan) -> None:
    for change in plan.changes:
        change.apply()


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("name", [name for name in TARGETS if name != "vscode"])
def test_set_up_is_repeatable_and_taken_back_to_the_byte(tmp_path: Path, name: str, platform: str) -> None:
    user = tmp_path / "user"
    (user / ".emacs.d").mkdir(parents=True)
    (user / ".emacs.d" / "init.el").write_text("(setq x 1)", encoding="utf-8")
    before = everything(user)
    here = machine(tmp_path, platform=platform)
    plan = TARGETS[name](here)
    assert plan.changes or plan.recipe
    apply(plan)
    after = everything(user)
    assert all(change.done() for change in plan.changes)
    apply(TARGETS[name](here))
    assert everything(user) == after
    for change in reversed(plan.changes):
        change.undo()
        change.undo()
    left = everything(user)
    assert set(left) == set(before)
    assert all(left[path].startswith(text) and left[path][len(text) :] in {b"", b"\n"} for path, text in before.items())


def test_block_keeps_what_the_person_wrote_around_it(tmp_path: Path) -> None:
    path = tmp_path / "init.el"
    path.write_text("a\n", encoding="utf-8")
    MarkedBlock(path, ";;", ("old",)).apply()
    path.write_text(path.read_text("utf-8") + "b\n", encoding="utf-8")
    new = MarkedBlock(path, ";;", ("new", "lines"))
    assert not new.done()
    new.apply()
    assert new.done()
    assert "old" not in path.read_text("utf-8")
    new.undo()
    assert path.read_text("utf-8") == "a\nb\n"


def test_file_that_is_no_text_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "init.el"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(OvertError) as caught:
        MarkedBlock(path, ";;", ("x",)).apply()
    assert caught.value.code == "setup-unreadable"
    assert path.read_bytes() == b"\xff\xfe"


def test_copy_leaves_the_persons_own_files(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "lua").mkdir(parents=True)
    (source / "lua" / "a.lua").write_text("a", encoding="utf-8")
    change = CopyFolder(source, target)
    change.apply()
    (target / "mine.lua").write_text("mine", encoding="utf-8")
    change.undo()
    assert [path.name for path in target.rglob("*")] == ["mine.lua"]


def test_editors_own_command_is_asked_run_and_undone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = tmp_path / "code"
    script.write_text(
        f'#!/bin/sh\necho "$@" >> {log}\ncase $1 in --install-extension) echo overt.overt > {tmp_path}/has;;'
        f" --uninstall-extension) rm {tmp_path}/has;; *) cat {tmp_path}/has 2>/dev/null || true;; esac\n",
        encoding="utf-8",
    )
    script.chmod(stat.S_IRWXU)
    command = str(script)
    change = RunCommand(
        (command, "--install-extension", "x"),
        (command, "--uninstall-extension", "y"),
        (command, "--list"),
        "overt.overt",
    )
    assert not change.done()
    change.apply()
    assert change.done()
    change.undo()
    change.undo()
    assert not change.done()
    assert log.read_text("utf-8").count("--uninstall") == 1
    with pytest.raises(OvertError):
        RunCommand((str(tmp_path / "none"),), (), (), "").apply()


def test_sidecar_is_named_so_that_the_editor_finds_it(tmp_path: Path) -> None:
    assert '"-m", "overt", "lsp"' in TARGETS["helix"](machine(tmp_path)).recipe
    assert 'command = "/usr/bin/overt"' in TARGETS["helix"](machine(tmp_path, "overt")).recipe


LSP = ["/home/a b/bin/python\u00e9\U0001f40d", "-m", "overt", "lsp"]
"""A command with all that a quoting can stumble over."""


def block(recipe: str, start: str) -> str:
    """What of a recipe goes into a file: from a line on up to the prose."""
    text = recipe[recipe.index("\n" + start) + 1 :]
    return re.split(r"\n\n(?=Helix|Written|In katerc)", text)[0]


def test_recipes_are_what_the_editors_read() -> None:
    """Names and places as in each editor's reference; those that can be had here are run besides (tests/editors)."""
    helix = tomllib.loads(block(recipes.helix(LSP), "[language-server.overt]"))
    assert helix["language-server"] == {"overt": {"command": LSP[0], "args": LSP[1:]}}
    assert [each["language-servers"][-1] for each in helix["language"]] == ["overt"]
    sublime = json.loads(block(recipes.sublime(LSP), "{"))
    assert sublime["clients"]["overt"] == {"enabled": True, "command": LSP, "selector": "source | text"}
    zed = json.loads(block(recipes.zed(LSP), "{"))
    assert zed["lsp"]["overt"]["binary"] == {"path": LSP[0], "arguments": LSP[1:]}
    kate = json.loads(block(recipes.kate(LSP), "{"))
    assert kate["servers"]["python"]["command"] == LSP
    command = re.search("command `(.*)`", recipes.jetbrains(LSP))
    assert command is not None
    assert shlex.split(command[1]) == LSP


def test_plugins_are_told_how_overt_is_started(tmp_path: Path) -> None:
    """Whatever PATH the editor has."""
    here = machine(tmp_path, "code")
    for name in ("neovim", "emacs"):
        apply(TARGETS[name](here))
    (started_by, _) = TARGETS["vscode"](here).changes
    started_by.apply()
    user = tmp_path / "user"
    lua = user / ".local/share/nvim/site/pack/overt/start/overt/lua/overt/installed.lua"
    assert lua.read_text("utf-8") == 'return { "/usr/bin/python3", "-m", "overt" }\n'
    assert '(setq overt-command \'("/usr/bin/python3" "-m" "overt"))' in (user / ".emacs.d/init.el").read_text("utf-8")
    assert json.loads((tmp_path / "home" / "command.json").read_text("utf-8")) == ["/usr/bin/python3", "-m", "overt"]


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(tmp_path), "OVERT_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-m", "overt", "setup", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.system
def test_command_says_does_and_takes_back(tmp_path: Path) -> None:
    manifest = tmp_path / ".mozilla" / "native-messaging-hosts" / "org.overt.bridge.json"
    assert str(manifest) in run(tmp_path, "firefox", "--print").stdout
    assert not manifest.exists()
    asked = subprocess.run(
        [sys.executable, "-m", "overt", "setup", "firefox"],
        env={"HOME": str(tmp_path), "OVERT_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"},
        input="n\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0
    assert not manifest.exists()
    (told,) = json.loads(run(tmp_path, "firefox", "--yes", "--json").stdout)
    assert told["tool"] == "firefox"
    assert json.loads(manifest.read_text("utf-8"))["allowed_extensions"] == ["browser@overt.invalid"]
    assert "Nothing is left to do" in run(tmp_path, "firefox", "--yes").stdout
    assert "Taken back." in run(tmp_path, "firefox", "--undo", "--yes").stdout
    assert not manifest.exists()
    assert "There is nothing to take back." in run(tmp_path, "firefox", "--undo", "--yes").stdout
    assert run(tmp_path, "firefox", "--json").returncode == 2
    assert run(tmp_path, "notepad").returncode == 2
    assert "neovim" in run(tmp_path).stdout


@pytest.mark.system
def test_folder_that_can_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".mozilla").write_text("", encoding="utf-8")
    ran = run(tmp_path, "firefox", "--yes")
    assert ran.returncode == 1
    assert "can't be changed" in ran.stderr
    assert "Traceback" not in ran.stderr
