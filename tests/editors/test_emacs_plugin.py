"""The Emacs plugin: its lints and ERT tests, and a real Emacs with the real sidecar, typed in as a person does."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.editors.emacs_person import BACKSPACE, ESCAPE, PLUGIN, EmacsPerson, control, find_emacs
from tests.editors.neovim_person import wait_for
from tests.editors.plugin_house import TOOLS, PluginHouse
from tests.lsp_collector.lsp_person import Participant
from tests.lsp_collector.lsp_recorder import replay

pytestmark = [pytest.mark.editor, pytest.mark.system, pytest.mark.xdist_group("system")]

Start = Callable[..., EmacsPerson]
ELPA = "/usr/share/emacs/site-lisp/elpa/"
UNDO = "\x1f"

# package-lint 0.16 knows no Emacs newer than 27, and says so of every package that needs one.
OUTDATED = "This makes the package uninstallable in all released Emacs versions."


def batch(*arguments: str) -> str:
    done = subprocess.run(
        [find_emacs(), "-Q", "--batch", *arguments],
        capture_output=True, text=True, check=False, timeout=120, cwd=PLUGIN, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[EmacsPerson] = []

    def begin(environment: dict[str, str], **options: str) -> EmacsPerson:
        started.append(EmacsPerson(tmp_path / "editor", environment, **options))
        return started[-1]

    yield begin
    for each in started:
        each.quit()


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Participant, dict[str, str]]:
    """A person with a study of their own, and no receiver."""
    monkeypatch.setenv("OVERT_KEYRING", "file")
    (tmp_path / "work").mkdir()
    person = Participant(tmp_path / "home", tmp_path / "work")
    person.join()
    return person, {
        "OVERT_HOME": str(person.home),
        "OVERT_KEYRING": "file",
        "OVERT_HOST": "own",
        "PATH": f"{TOOLS}:/usr/bin:/bin",
    }


def kept(person: Participant) -> dict[str, str]:
    return {name: text for bodies in asyncio.run(person.kept()) for name, text in replay(bodies).items()}


def test_it_compiles_without_a_warning(tmp_path: Path) -> None:
    copy = tmp_path / "overt.el"
    copy.write_bytes((PLUGIN / "overt.el").read_bytes())
    batch("--eval", "(setq byte-compile-error-on-warn t)", "-f", "batch-byte-compile", str(copy))
    assert copy.with_suffix(".elc").exists()


def test_checkdoc_and_package_lint_find_nothing(tmp_path: Path) -> None:
    assert Path(ELPA).is_dir(), "package-lint is missing: apt-get install --no-install-recommends elpa-package-lint"
    script = tmp_path / "lint.el"
    script.write_text(
        f"""(let ((default-directory "{ELPA}")) (normal-top-level-add-subdirs-to-load-path))
        (require 'package) (require 'package-lint) (require 'checkdoc)
        (with-current-buffer (find-file-noselect "overt.el")
          (dolist (found (package-lint-buffer)) (message "FOUND %S" found)))
        (checkdoc-file "overt.el")""",
        "utf-8",
    )
    said = batch("-l", str(script))
    found = [line for line in said.splitlines() if line.strip() and OUTDATED not in line]
    assert found == []


def test_ert() -> None:
    said = batch("-L", ".", "-l", "test/overt-test.el", "-f", "ert-run-tests-batch-and-exit")
    ran = re.search(r"Ran (\d+) tests, (\d+) results as expected, 0 unexpected", said)
    assert ran is not None
    assert ran[1] == ran[2] == str((PLUGIN / "test" / "overt-test.el").read_text("utf-8").count("(ert-deftest "))


def test_a_day_in_emacs(start: Start, tmp_path: Path) -> None:
    """Every way to edit, several files, a secret file, a rename: the dataset says what the disk says."""
    house = PluginHouse(tmp_path / "study")
    work = house.work
    secret, outside = work / ".env", tmp_path / "outside.txt"
    for path in (secret, outside):
        path.write_text("TOKEN=hunter2000\n", "utf-8")
    main, other = work / "main.txt", work / "other.txt"
    main.write_text("alpha beta\ngamma\n", "utf-8")
    other.write_bytes(b"one\r\ntwo\r\n")
    on_disk: dict[str, list[str]] = {"main.txt": [], "other.txt": [], "moved.txt": []}

    def save(path: Path) -> None:
        emacs.save()
        on_disk[path.name].append(path.read_bytes().decode())

    emacs = start(house.environment)
    emacs.open(main)
    emacs.await_sign("overt:on")
    emacs.press(control("e"))
    emacs.type("\nnaïve 😀 aab")
    emacs.press(BACKSPACE)
    save(main)
    emacs.press(control("a"), control("k"), control("y"), control("y"))
    save(main)
    emacs.press(UNDO, control("f"), UNDO)
    emacs.press(ESCAPE + ">")
    emacs.type("gam")
    emacs.press(ESCAPE + "/")  # dabbrev: "gam" becomes "gamma"
    save(main)
    emacs.press(control("x") + "h")
    emacs.command("fill-region")
    save(main)
    for path in (secret, outside):
        emacs.open(path)
        emacs.await_sign("overt:-")
        emacs.type("TOKEN=swordfish")
        emacs.save()
    emacs.open(other)
    emacs.type("zero\n")
    save(other)
    other.write_bytes(b"one\r\nfrom elsewhere\r\n")
    os.utime(other, (time.time() + 5, time.time() + 5))
    emacs.ask("(revert-buffer t t)")
    emacs.type("x")
    save(other)
    emacs.ask(f'(progn (write-file "{work / "moved.txt"}") nil)')
    wait_for("the new name", (work / "moved.txt").exists)
    emacs.type("y")
    save(work / "moved.txt")
    emacs.flush()
    emacs.quit()

    found = house.harvest()
    for name, texts in on_disk.items():
        assert found.saved(name)[-len(texts) :] == texts, name
    assert all(row["exact"] for row in found.documents)
    assert "hunter2000" not in found
    assert "swordfish" not in found
    assert {row["path"] for row in found.documents} == {"main.txt", "other.txt", "moved.txt"}
    assert not [row for row in found.events if row["kind"] == "capture.gap"]
    assert sorted(path.name for path in work.iterdir()) == [".env", "main.txt", "moved.txt", "other.txt"]

    runs = found.origins("main.txt")
    assert [origin for origin, _ in runs] == [
        "typed", "pasted", "undo", "redo", "typed", "completion", "formatter",
    ]  # fmt: skip
    assert runs[0][1] == "\nnaïve 😀 aab"
    assert runs[4][1] == "gam"
    assert runs[5][1] in {"ma", "gamma"}
    assert any(origin == "external" and "from elsewhe" in text for origin, text in found.origins("other.txt"))
    kinds = {row["kind"] for row in found.events}
    assert {"selection.change", "viewport.change", "command.run"} <= kinds
    assert {row["command"] for row in found.events if row["command"]} >= {"yank", "undo", "save-buffer"}
    assert (found.events[0]["client"], found.events[0]["position_encoding"]) == ("Emacs", "utf-32")


def test_indirect_buffers_edit_the_file_of_their_base(start: Start, tmp_path: Path) -> None:
    """What is edited in any of them is in the dataset at once; killing one does not end the file."""
    house = PluginHouse(tmp_path / "study")
    path = house.work / "base.txt"
    path.write_text("alpha\nbeta\n", "utf-8")
    emacs = start(house.environment)
    emacs.open(path)
    emacs.await_sign("overt:on")
    emacs.ask('(progn (clone-indirect-buffer "clone" nil) (switch-to-buffer "clone") nil)')
    emacs.await_sign("overt:on")
    emacs.press(ESCAPE + "<")
    emacs.type("cloned\n")
    emacs.ask("(progn (kill-buffer) nil)")
    emacs.visit(path)
    emacs.press(ESCAPE + ">")
    emacs.type("here\n")
    emacs.ask('(progn (switch-to-buffer (make-indirect-buffer (current-buffer) "bare")) nil)')
    emacs.press(ESCAPE + "<")
    emacs.type("bare\nlines\n")
    emacs.visit(path)
    emacs.type("last\n")
    emacs.save()
    emacs.flush()
    emacs.quit()

    found = house.harvest()
    assert not [row for row in found.events if row["kind"] == "capture.gap"]
    assert [(row["path"], row["exact"]) for row in found.documents] == [("base.txt", True)]
    assert found.saved("base.txt") == [path.read_text("utf-8")]
    assert path.read_text("utf-8") == "bare\nlines\ncloned\nalpha\nbeta\nhere\nlast\n"
    # Only what was typed where the plugin is not on has no origin, and it comes before what was typed after it.
    assert found.origins("base.txt") == [("typed", "cloned\nhere\n"), ("unknown", "bare\nlines\n"), ("typed", "last\n")]


def test_pause_resume_forget_and_why(alone: tuple[Participant, dict[str, str]], start: Start) -> None:
    person, environment = alone
    path, secret = person.work / "pause.txt", person.work / ".env"
    path.write_text("start\n", "utf-8")
    secret.write_text("A=1\n", "utf-8")
    emacs = start(environment)
    emacs.open(path)
    emacs.await_sign("overt:on")
    emacs.command("overt-pause")
    emacs.await_sign("overt:paused")
    emacs.type("hidden ")
    emacs.press(ESCAPE + BACKSPACE)
    emacs.command("overt-resume")
    emacs.await_sign("overt:on")
    emacs.type("seen ")
    emacs.flush()
    assert kept(person)["pause.txt"] == "seen start\n"
    assert "hidden" not in repr(asyncio.run(person.kept()))
    emacs.command("overt-why")
    wait_for("the answer", lambda: "this file is captured." in emacs.messages())
    emacs.open(secret)
    emacs.command("overt-why")
    wait_for("the reason", lambda: "[denied-path]" in emacs.messages())
    emacs.command("overt-forget")
    wait_for("the answer", lambda: "of the last 10 minutes forgotten" in emacs.messages())
    assert "seen" not in repr(asyncio.run(person.kept()))


def test_the_sign_goes_off_when_the_sidecar_dies_and_it_comes_back(
    alone: tuple[Participant, dict[str, str]], start: Start
) -> None:
    person, environment = alone
    path = person.work / "crash.txt"
    path.write_text("start\n", "utf-8")
    emacs = start(environment)
    emacs.open(path)
    emacs.await_sign("overt:on")
    victim = emacs.sidecar()
    killed = time.monotonic()
    victim.send_signal(signal.SIGKILL)
    emacs.await_sign("overt:off")
    assert time.monotonic() - killed < 1
    emacs.type("meanwhile ")
    emacs.await_sign("overt:on")
    assert emacs.sidecar().pid != victim.pid
    emacs.type("after ")
    emacs.save()
    emacs.flush()
    assert kept(person)["crash.txt"] == path.read_text("utf-8") == "meanwhile after start\n"


@pytest.mark.parametrize("how", ["crashing", "missing"])
def test_a_sidecar_that_does_not_run_is_one_calm_message(
    how: str, alone: tuple[Participant, dict[str, str]], start: Start, tmp_path: Path
) -> None:
    person, environment = alone
    tools = tmp_path / "tools"
    tools.mkdir()
    if how == "crashing":
        script = tools / "overt"
        script.write_text(f"#!{sys.executable}\nraise SystemExit(7)\n", "utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    setup = "(setq overt--restart-after '(0.01 0.02 0.04)) (global-overt-mode 1)"
    emacs = start({**environment, "PATH": f"{tools}:/usr/bin:/bin"}, setup=setup)
    wait_for("the end of the tries", lambda: emacs.ask("overt--state") == "failed")
    path = person.work / "calm.txt"
    emacs.visit(path)
    emacs.type("works")
    emacs.save()
    assert path.read_text("utf-8").strip() == "works"
    assert emacs.sign() == "overt:off"
    assert emacs.messages().count("overt: capture is off") == 1


def test_a_sidecar_that_hangs_holds_nobody_up(alone: tuple[Participant, dict[str, str]], start: Start) -> None:
    person, environment = alone
    path = person.work / "hang.txt"
    path.write_text("start\n", "utf-8")
    emacs = start(environment)
    emacs.open(path)
    emacs.await_sign("overt:on")
    stuck = emacs.sidecar()
    stuck.suspend()
    try:
        # More than any pipe holds.
        assert emacs.ask("(progn (dotimes (_ 60) (insert (make-string 4096 ?x))) overt--uri)") != "nil"
        assert emacs.ask("(> overt--queued 100000)") == "t"
        os.write(emacs.keyboard, b"typed all the same")
        wait_for("the text", lambda: "typed all the same" in emacs.text())
    finally:
        stuck.resume()
    emacs.type("!")
    emacs.flush()
    assert kept(person)["hang.txt"] == "x" * 4096 * 60 + "typed all the same!start\n"


def test_nothing_starts_before_the_mode_is_on(alone: tuple[Participant, dict[str, str]], start: Start) -> None:
    person, environment = alone
    emacs = start(environment, setup="")
    emacs.visit(person.work / "quiet.txt")
    emacs.type("quiet")
    assert emacs.sign() == "nil"
    assert emacs.ask("overt--state") == "stopped"
    assert not [each for each in emacs.children() if "lsp" in each.cmdline()]
    assert asyncio.run(person.kept()) == []
