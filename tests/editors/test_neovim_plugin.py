"""The Neovim plugin in a real Neovim with the real sidecar: typed in as a person does, read back from the dataset."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from event_model.events import CaptureGap, DocumentEdit
from tests.editors.neovim_person import NeovimPerson, wait_for
from tests.editors.plugin_house import TOOLS, PluginHouse
from tests.editors.test_neovim import START, STEPS
from tests.lsp_collector.lsp_person import Participant
from tests.lsp_collector.lsp_recorder import replay

pytestmark = [pytest.mark.editor, pytest.mark.system, pytest.mark.xdist_group("system")]

Start = Callable[..., NeovimPerson]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> PluginHouse:
    return PluginHouse(tmp_path_factory.mktemp("neovim"))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[NeovimPerson] = []

    def begin(environment: dict[str, str]) -> NeovimPerson:
        started.append(NeovimPerson(tmp_path / "editor", environment))
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


def enabled(nvim: NeovimPerson) -> NeovimPerson:
    nvim.press(":Overt enable<CR>")
    nvim.await_sign("○ overt")
    return nvim


def test_a_day_in_neovim(house: PluginHouse, start: Start, tmp_path: Path) -> None:
    """Every way to edit, several files, a secret file, a rename: the dataset says what the disk says."""
    work = house.work
    (work / ".git").mkdir()
    secret, outside = work / ".env", tmp_path / "outside.py"
    for path in (secret, outside):
        path.write_text("TOKEN=hunter2000\n", "utf-8")
    main, other = work / "main.py", work / "other.py"
    main.write_text("def area(radius):\n    return 3.14 * radius\n", "utf-8")
    other.write_bytes(b"one\r\ntwo\r\n")
    on_disk: dict[str, list[str]] = {"main.py": [], "other.py": [], "moved.py": []}

    def save(path: Path) -> None:
        nvim.save()
        on_disk[path.name].append(path.read_bytes().decode())

    nvim = enabled(start(house.environment))
    nvim.open(main)
    assert nvim.sign() == "● overt"
    nvim.api.command("doautocmd FocusLost | doautocmd FocusGained")
    nvim.press("o")
    nvim.type("# naïve 😀 aab")
    nvim.press("<BS>", "<Esc>")
    save(main)
    nvim.press("yy", "P")
    nvim.paste("x = 1\ny = 2  # 漢字\n")
    save(main)
    nvim.press("u", "<C-r>")
    nvim.press("G", "o")
    nvim.type("rad")
    nvim.press("<C-n>", "<Esc>")
    save(main)
    nvim.press("A", "<C-r>0", "<Esc>", ":%s/radius/r/g<CR>", "k", "A")
    nvim.type(" #" + " wide" * 20)
    nvim.press("<Esc>", "gqq")
    save(main)
    for path in (secret, outside):
        nvim.open(path)
        assert nvim.sign() == "○ overt"
        nvim.press("o")
        nvim.type("TOKEN=swordfish")
        nvim.press("<Esc>", ":write<CR>")
    nvim.open(other)
    nvim.press("G", "o")
    nvim.type("three")
    nvim.press("<Esc>")
    save(other)
    other.write_bytes(b"one\r\nfrom elsewhere\r\n")
    nvim.press(":edit!<CR>")
    nvim.decided()
    nvim.press("x")
    save(other)
    nvim.press(f":buffer {main}<CR>", ":saveas moved.py<CR>".replace("moved.py", str(work / "moved.py")))
    nvim.decided()
    nvim.press("dd")
    save(work / "moved.py")
    assert "E5" not in nvim.messages()
    nvim.quit()

    kept = house.harvest()
    for name, texts in on_disk.items():
        assert kept.saved(name)[-len(texts) :] == texts, name
    assert all(row["exact"] for row in kept.documents)
    assert "hunter2000" not in kept
    assert "swordfish" not in kept
    assert {row["path"] for row in kept.documents} == {"main.py", "other.py", "moved.py"}
    assert not [row for row in kept.events if row["kind"] == "capture.gap"]
    assert sorted(path.name for path in work.iterdir()) == [".env", ".git", "main.py", "moved.py", "other.py"]

    runs = kept.origins("main.py")
    assert [origin for origin, _ in runs] == [
        "typed", "pasted", "undo", "redo", "typed", "completion", "pasted", "typed", "formatter",
    ]  # fmt: skip
    assert runs[0][1] == "\n    # naïve 😀 aab"
    assert "x = 1\ny = 2  # 漢字" in runs[1][1]
    assert runs[4][1].split() == ["rad"]
    assert runs[5][1] == "ius"
    assert any(origin == "external" and "from elsewhe" in text for origin, text in kept.origins("other.py"))
    keys = [row["inserted"] for row in kept.edits("main.py")][2:15]
    assert keys == list("# naïve 😀 aab")
    kinds = {row["kind"] for row in kept.events}
    assert {"selection.change", "viewport.change", "command.run", "completion.accept", "editor.focus"} <= kinds
    assert {row["command"] for row in kept.events if row["command"]} >= {":substitute", ":write", ":saveas"}
    assert (kept.events[0]["client"], kept.events[0]["position_encoding"]) == ("Neovim", "utf-8")
    moved = next(row for row in kept.documents if row["path"] == "moved.py")
    assert moved["continues"] is not None


def test_every_way_to_edit_is_recorded_to_the_character(
    alone: tuple[Participant, dict[str, str]], start: Start
) -> None:
    """The same steps as for a plain client, compared after each and before any save could mend what was lost."""
    person, environment = alone
    path = person.work / "main.py"
    path.write_text(START, "utf-8")
    nvim = enabled(start(environment))
    nvim.open(path)
    driver = Keys(nvim)
    wrong = []
    for name, step in STEPS.items():
        step(driver)  # type: ignore[arg-type]
        nvim.settle()
        nvim.flush()
        if kept(person)["main.py"] != nvim.text():
            wrong.append(name)
    assert not wrong
    nvim.press(":%delete<CR>")
    nvim.flush()
    assert kept(person)["main.py"] == ""
    nvim.press("i")
    nvim.type("again\nand 漢")
    nvim.press("<Esc>", "u", "<C-r>")
    nvim.flush()
    before = edits(person)
    assert kept(person)["main.py"] == nvim.text() == "again\nand 漢\n"
    nvim.save()
    nvim.flush()
    assert edits(person) == before, "the save had to mend something"
    assert kept(person)["main.py"] == path.read_text("utf-8")
    assert not [body for bodies in asyncio.run(person.kept()) for body in bodies if isinstance(body, CaptureGap)]


class Keys:
    """What the steps of ``test_neovim`` call, on a person's Neovim."""

    def __init__(self, nvim: NeovimPerson) -> None:
        self._nvim = nvim
        self.api = nvim.api
        self.paste = nvim.paste

    def keys(self, keys: str) -> None:
        self.api.feedkeys(self.api.replace_termcodes(keys, True, True, True), "tx", False)

    def command(self, command: str) -> None:
        self.api.command(command)


def kept(person: Participant) -> dict[str, str]:
    return {name: text for bodies in asyncio.run(person.kept()) for name, text in replay(bodies).items()}


def edits(person: Participant) -> int:
    return sum(isinstance(body, DocumentEdit) for bodies in asyncio.run(person.kept()) for body in bodies)


def test_nothing_starts_before_it_is_enabled(alone: tuple[Participant, dict[str, str]], start: Start) -> None:
    person, environment = alone
    path = person.work / "quiet.py"
    path.write_text("quiet\n", "utf-8")
    nvim = start(environment)
    nvim.lua("require('overt').setup({})")
    nvim.press(f":edit {path}<CR>", "x")
    assert nvim.sign() == ""
    assert nvim.lua("return require('overt.sidecar').pid()") is None
    assert nvim.process.children() == []
    nvim.press(":Overt status<CR>")
    assert "not enabled" in nvim.messages()
    assert asyncio.run(person.kept()) == []


def test_enabled_once_is_enabled_at_the_next_start(alone: tuple[Participant, dict[str, str]], start: Start) -> None:
    _, environment = alone
    enabled(start(environment)).quit()
    again = start(environment)
    again.await_sign("○ overt")
    again.press(":Overt disable<CR>")
    again.await_sign("")
    wait_for("the sidecar to end", lambda: not again.process.children())


def test_pause_resume_forget_and_why(alone: tuple[Participant, dict[str, str]], start: Start) -> None:
    person, environment = alone
    path, secret = person.work / "pause.txt", person.work / ".env"
    path.write_text("start\n", "utf-8")
    secret.write_text("A=1\n", "utf-8")
    nvim = enabled(start(environment))
    nvim.open(path)
    nvim.press(":Overt pause 15<CR>")
    nvim.await_sign("‖ overt")
    wait_for("the answer", lambda: "paused on this machine, until " in nvim.messages())
    nvim.press("o")
    nvim.type("hidden")
    nvim.press("<Esc>", "u", ":Overt resume<CR>")
    nvim.await_sign("● overt")
    nvim.press("o")
    nvim.type("seen")
    nvim.press("<Esc>")
    nvim.flush()
    assert kept(person)["pause.txt"] == "start\nseen\n"
    assert "hidden" not in repr(asyncio.run(person.kept()))
    nvim.press(":Overt why<CR>")
    wait_for("the answer", lambda: "this file is captured." in nvim.messages())
    nvim.open(secret)
    nvim.press(":Overt why<CR>")
    wait_for("the reason", lambda: "[denied-path]" in nvim.messages())
    nvim.press(":Overt forget<CR>")
    wait_for("the answer", lambda: "of the last 10 minutes forgotten" in nvim.messages())
    assert "seen" not in repr(asyncio.run(person.kept()))
    nvim.press(f":buffer {path}<CR>")
    nvim.await_sign("● overt")
    wait_for("the file again", lambda: nvim.flush()["studies"][0]["documents"] == 1)
    nvim.press("o")
    nvim.type("after")
    nvim.press("<Esc>")
    nvim.flush()
    last = asyncio.run(person.kept())[-1]
    assert replay(last)["pause.txt"] == nvim.text() == "start\nseen\nafter\n"


def test_capture_goes_on_after_forgetting_in_a_terminal(
    alone: tuple[Participant, dict[str, str]], start: Start
) -> None:
    person, environment = alone
    path = person.work / "elsewhere.txt"
    path.write_text("start\n", "utf-8")
    nvim = enabled(start(environment))
    nvim.open(path)
    nvim.press("o")
    nvim.type("before")
    nvim.flush()
    nvim.type(" waits")
    subprocess.run(
        [sys.executable, "-m", "overt", "forget", "--last", "10m", "--yes"],
        env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=True, timeout=60,
    )  # fmt: skip
    wait_for("the file again", lambda: nvim.flush()["studies"][0]["documents"] == 1)
    assert nvim.sign() == "● overt"
    nvim.type(" after")
    nvim.flush()
    forgotten, last = asyncio.run(person.kept())
    assert "before" not in repr(forgotten)
    assert replay(last)["elsewhere.txt"] == nvim.text() == "start\nbefore waits after\n"


def test_keys_reach_the_disk_by_themselves(alone: tuple[Participant, dict[str, str]], start: Start) -> None:
    person, environment = alone
    path = person.work / "row.txt"
    path.write_text("", "utf-8")
    nvim = enabled(start(environment))
    nvim.open(path)
    nvim.press("i")
    for typed in ("the first ", "a second row"):
        nvim.type(typed)
        text = nvim.text()[:-1]
        wait_for("what was typed", lambda text=text: kept(person)["row.txt"].rstrip("\n") == text)


def test_the_sign_goes_off_when_the_sidecar_dies_and_it_comes_back(
    alone: tuple[Participant, dict[str, str]], start: Start
) -> None:
    person, environment = alone
    path = person.work / "crash.txt"
    path.write_text("start\n", "utf-8")
    nvim = enabled(start(environment))
    nvim.open(path)
    victim = nvim.sidecar()
    killed = time.monotonic()
    victim.send_signal(signal.SIGKILL)
    nvim.await_sign("overt off")
    assert time.monotonic() - killed < 1
    nvim.press("o")
    nvim.type("meanwhile")
    nvim.press("<Esc>")
    nvim.await_sign("● overt")
    assert nvim.sidecar().pid != victim.pid
    nvim.press("o")
    nvim.type("after")
    nvim.press("<Esc>")
    nvim.save()
    nvim.flush()
    assert kept(person)["crash.txt"] == path.read_text("utf-8") == "start\nmeanwhile\nafter\n"
    assert "overt" not in nvim.messages().replace("overt enable", "").replace(str(person.work.parent), "")


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
    nvim = start({**environment, "PATH": f"{tools}:/usr/bin:/bin"})
    nvim.lua("require('overt.sidecar').delays({ 10, 20, 40 })")
    path = person.work / "calm.txt"
    nvim.press(f":edit {path}<CR>", ":Overt enable<CR>")
    wait_for("the end of the tries", lambda: nvim.lua("return require('overt.sidecar').state") == "failed")
    nvim.press("i")
    nvim.type("works")
    nvim.press("<Esc>")
    nvim.save()
    assert path.read_text("utf-8") == "works\n"
    assert nvim.sign() == "overt off"
    said = [line for line in nvim.messages().splitlines() if line.startswith("overt")]
    assert len(said) == 1
    nvim.press(":Overt status<CR>")
    assert ("can't be run" if how == "missing" else "ended 4 times, at last with code 7") in nvim.messages()


def test_a_sidecar_that_hangs_holds_nobody_up(alone: tuple[Participant, dict[str, str]], start: Start) -> None:
    person, environment = alone
    path = person.work / "hang.txt"
    path.write_text("start\n", "utf-8")
    nvim = enabled(start(environment))
    nvim.open(path)
    stuck = nvim.sidecar()
    stuck.suspend()
    try:
        nvim.press("o")
        # More than any pipe holds.
        for _ in range(60):
            nvim.paste("x" * 4096)
        nvim.type("typed all the same")
        nvim.press("<Esc>")
        assert nvim.text().endswith("typed all the same\n")
    finally:
        stuck.resume()
    nvim.flush()
    assert kept(person)["hang.txt"] == nvim.text()


def test_completion_and_help_of_the_command(alone: tuple[Participant, dict[str, str]], start: Start) -> None:
    _, environment = alone
    nvim = start(environment)
    names = nvim.api.funcs.getcompletion("Overt ", "cmdline")
    assert names == ["disable", "enable", "forget", "pause", "resume", "review", "status", "why"]
    assert nvim.api.funcs.getcompletion("Overt pause 1", "cmdline") == ["10", "15"]
    nvim.press(":Overt nonsense<CR>")
    assert "no such subcommand: nonsense" in nvim.messages()
    nvim.press(":Overt forget -3<CR>")
    assert "no number above 0" in nvim.messages()


def test_checkhealth_says_what_is_so(alone: tuple[Participant, dict[str, str]], start: Start) -> None:
    _, environment = alone
    nvim = enabled(start(environment))
    nvim.press(":checkhealth overt<CR>")
    shown = wait_for("the report", lambda: nvim.text() if "doctor" in nvim.text() else "")
    assert "The sidecar runs, version" in shown
    assert "Capture is on" in shown
    assert "ERROR" not in shown


def test_a_paste_is_the_paste_it_was(alone: tuple[Participant, dict[str, str]], start: Start) -> None:
    """Watching changes nothing: registers, marks and what `vim.paste` answers are as without overt."""
    _, environment = alone
    nvim = start(environment)
    before = nvim.lua("return tostring(vim.paste)")
    enabled(nvim)
    assert nvim.lua("return vim.paste({'a', 'b'}, -1)") is True
    assert nvim.text() == "a\nb\n"
    nvim.press(":Overt disable<CR>")
    nvim.await_sign("")
    assert nvim.lua("return tostring(vim.paste)") == before
