"""Debian's Neovim with the real collector: what was recorded is what the editor shows and what the file holds.

The first test also runs with a door that only records, to tell a fault of the collector from one behind it.
Saves carry the whole text and would mend a lost change, so the record is compared *before* each save as well.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from event_model.events import Body, CaptureGap, DocumentClose, DocumentEdit, DocumentOpen, DocumentSave
from tests.editors.neovim_driver import Neovim
from tests.lsp_collector.lsp_person import Participant
from tests.lsp_collector.lsp_recorder import read_record, replay
from tests.lsp_collector.lsp_wire import SERVER

pytestmark = [pytest.mark.editor, pytest.mark.system]

START = """\
def greet(name):
    return "hello " + name


for word in ("alpha", "beta", "gamma"):
    print(greet(word))
"""

STEPS: dict[str, Callable[[Neovim], None]] = {
    "typing": lambda nvim: nvim.keys("ggOimport sys<CR><CR>value = 1<Esc>A + 2<Esc>"),
    "corrections": lambda nvim: nvim.keys("Goabcdef<BS><BS><BS>xyz<C-w>done<C-u>kept<Left><Left>!<Esc>"),
    "undo and redo": lambda nvim: nvim.keys("ggddxoone<Esc>otwo<Esc>uuu<C-r><C-r>uu<C-r>"),
    "undo in time": lambda nvim: nvim.keys("goathree<Esc>:earlier 3<CR>:later 2<CR>"),
    "paste in the terminal": lambda nvim: nvim.paste("first\nsecond 漢字\nthird 😀"),
    "yank and put": lambda nvim: nvim.keys("ggyyGp2PyiwP"),
    "put of a block": lambda nvim: nvim.keys("gg0<C-v>jjly$p"),
    "insert in a block": lambda nvim: nvim.keys("gg<C-v>jjI# <Esc>"),
    "append in a block": lambda nvim: nvim.keys("gg<C-v>jj$A;<Esc>"),
    "substitute": lambda nvim: nvim.command(r"%s/\v(\w+)/<\1>/ge"),
    "substitute over lines": lambda nvim: nvim.command(r"%s/\n\n/\r/e"),
    "substitute to several lines": lambda nvim: nvim.command(r"1,3s/ /\r/ge"),
    "delete every second": lambda nvim: nvim.command("g/e/delete"),
    "move": lambda nvim: nvim.command("2move 0"),
    "join": lambda nvim: nvim.keys("ggJgJ3J"),
    "shift": lambda nvim: nvim.keys("gg>>3>>V<lt>"),
    "change case": lambda nvim: nvim.keys("ggg~GgUiw"),
    "multi-byte": lambda nvim: nvim.keys("ggOéé漢字😀𝔘 naïve<Esc>hxhr😀A ß<Esc>0i😀<Esc>"),
    "combining": lambda nvim: nvim.keys("ggOe\u0301a\u0308 x<Esc>0xx"),
    "multi-byte in the middle": lambda nvim: nvim.keys("gg0a漢<Esc>la😀<Esc>lla字<Esc>hxx"),
    "filter": lambda nvim: nvim.command("%!sort -r"),
    "read": lambda nvim: nvim.command("$read !printf 'a\\nb 😀\\n'"),
    "sort": lambda nvim: nvim.command("sort"),
    "macro": lambda nvim: nvim.keys("ggqqA.<Esc>jq3@q"),
    "repeat": lambda nvim: nvim.keys("ggcwword<Esc>w.w."),
    "increment": lambda nvim: nvim.keys("ggO41<Esc><C-a>"),
    "delete to the end": lambda nvim: nvim.keys("GkkdG"),
    "delete the last line": lambda nvim: nvim.keys("Gdd"),
    "delete the first line": lambda nvim: nvim.keys("ggdd"),
    "change everything": lambda nvim: nvim.keys("ggcGother<Esc>ostart 漢<Esc>"),
    "undo everything": lambda nvim: nvim.keys("uu"),
    "by a script": lambda nvim: nvim.api.current.buffer.append(["from", "a script 😀"], 1),
    "by a script, within a line": lambda nvim: nvim.api.exec_lua("vim.api.nvim_buf_set_text(0,0,0,0,1,{'x','y'})"),
}


class Recorder:
    """What the sidecar kept, with a door that records."""

    def __init__(self, tmp_path: Path) -> None:
        self.work = tmp_path / "work"
        self.work.mkdir()
        self._record = tmp_path / "record"
        self.command = [sys.executable, str(SERVER), str(self.work), str(self._record)]

    def sessions(self) -> list[list[Body]]:
        return [read_record(self._record)]


class Gate:
    """What the sidecar kept, with the real gate, filter and store."""

    def __init__(self, tmp_path: Path) -> None:
        self.work = tmp_path / "work"
        self.work.mkdir()
        self._person = Participant(tmp_path / "home", self.work)
        self._person.join()
        self.command = [sys.executable, "-m", "lsp_collector", "--home", str(self._person.home)]

    def sessions(self) -> list[list[Body]]:
        return asyncio.run(self._person.kept())


@pytest.fixture
def sidecar(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder | Gate:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    found: Recorder | Gate = getattr(request, "param", Gate)(tmp_path)
    return found


@pytest.fixture
def nvim(sidecar: Recorder | Gate) -> Iterator[Neovim]:
    editor = Neovim(sidecar.command, sidecar.work)
    yield editor
    editor.quit()


def recorded(sidecar: Recorder | Gate) -> dict[str, str]:
    return {name: text for bodies in sidecar.sessions() for name, text in replay(bodies).items()}


@pytest.mark.parametrize("sidecar", [Recorder, Gate], indirect=True)
def test_every_way_to_edit_is_recorded_to_the_character(sidecar: Recorder | Gate, nvim: Neovim) -> None:
    path = sidecar.work / "main.py"
    path.write_text(START, encoding="utf-8")
    nvim.edit(path)
    wrong = []
    for name, step in STEPS.items():
        step(nvim)
        nvim.flush()
        if recorded(sidecar)["main.py"] != nvim.text():
            wrong.append(name)
    assert not wrong
    before = len([body for body in sidecar.sessions()[0] if isinstance(body, DocumentEdit)])
    nvim.command("write")
    nvim.flush()
    bodies = sidecar.sessions()[0]
    assert isinstance(bodies[-1], DocumentSave)
    assert len([body for body in bodies if isinstance(body, DocumentEdit)]) == before, "the save had to mend something"
    assert recorded(sidecar)["main.py"] == path.read_text(encoding="utf-8")
    assert not [body for body in bodies if isinstance(body, CaptureGap)]


def test_deleting_everything_is_exact_again_at_the_next_save(sidecar: Recorder | Gate, nvim: Neovim) -> None:
    """Neovim tells that the last line end went too, and never that it is back: the text of the save says so."""
    path = sidecar.work / "all.txt"
    path.write_text("one\ntwo\n", encoding="utf-8")
    nvim.edit(path)
    nvim.keys("ggVGd")
    nvim.flush()
    assert recorded(sidecar)["all.txt"] == ""
    nvim.keys("inew 漢<CR>start<Esc>")
    nvim.flush()
    assert recorded(sidecar)["all.txt"] + "\n" == nvim.text()
    nvim.command("write")
    nvim.keys("Gomore<Esc>uu<C-r>")
    nvim.flush()
    assert recorded(sidecar)["all.txt"] == nvim.text()
    nvim.command("write")
    nvim.flush()
    assert recorded(sidecar)["all.txt"] == path.read_text("utf-8")


def test_every_key_is_an_event_of_its_own(sidecar: Recorder | Gate, nvim: Neovim) -> None:
    path = sidecar.work / "keys.txt"
    path.write_text("\n", encoding="utf-8")
    nvim.edit(path)
    for letter in "naïve 😀":
        nvim.keys(f"A{letter}<Esc>")
    nvim.flush()
    inserted = [body.inserted for body in sidecar.sessions()[0] if isinstance(body, DocumentEdit)]
    assert inserted == list("naïve 😀")


def test_two_windows_on_two_files_and_on_one(sidecar: Recorder | Gate, nvim: Neovim) -> None:
    one, two = sidecar.work / "one.txt", sidecar.work / "two.txt"
    one.write_text("one\n", encoding="utf-8")
    two.write_text("two\n", encoding="utf-8")
    nvim.edit(one)
    nvim.command(f"split {two}")
    for _ in range(3):
        nvim.keys("A 漢<Esc>")
        nvim.command("wincmd w")
        nvim.keys("Oline<Esc>")
        nvim.command("wincmd w")
    nvim.command("vsplit")
    nvim.keys("ggdd")
    nvim.command("wincmd w")
    nvim.keys("Goend<Esc>")
    nvim.command("wall")
    nvim.flush()
    found = recorded(sidecar)
    assert found == {"one.txt": one.read_text("utf-8"), "two.txt": two.read_text("utf-8")}
    assert found["one.txt"].count("line") == 3


def test_two_editors_at_the_same_time(sidecar: Recorder | Gate, nvim: Neovim) -> None:
    other = Neovim(sidecar.command, sidecar.work)
    try:
        paths = [sidecar.work / "left.txt", sidecar.work / "right.txt"]
        for editor, path in zip((nvim, other), paths, strict=True):
            editor.edit(path)
        for _ in range(20):
            nvim.keys("oleft<Esc>")
            other.keys("oright<Esc>")
        for editor in (nvim, other):
            editor.command("write")
            editor.flush()
    finally:
        other.quit()
    assert recorded(sidecar) == {path.name: path.read_text("utf-8") for path in paths}


def test_files_that_nobody_asked_for_leave_no_trace(sidecar: Recorder | Gate, nvim: Neovim, tmp_path: Path) -> None:
    for path in (sidecar.work / ".env", tmp_path / "outside.py"):
        path.write_text("TOKEN=one\n", encoding="utf-8")
        nvim.edit(path)
        nvim.keys("oTOKEN=two<Esc>")
        nvim.command("write")
    nvim.edit(sidecar.work / "in.py")
    nvim.keys("iyes<Esc>")
    nvim.flush()
    bodies = sidecar.sessions()[0]
    assert "TOKEN" not in repr(bodies)
    assert [body.path for body in bodies if isinstance(body, DocumentOpen)] == ["in.py"]


def test_reload_and_other_line_ends(sidecar: Recorder | Gate, nvim: Neovim) -> None:
    """A file that another program changed, and one with CR LF: Neovim keeps lines, and names them with LF."""
    path, dos = sidecar.work / "reload.txt", sidecar.work / "dos.txt"
    path.write_text("one\ntwo\n", encoding="utf-8")
    dos.write_bytes(b"one\r\ntwo\r\n")
    nvim.edit(path)
    nvim.keys("Gonot kept<Esc>")
    path.write_text("other\ntext 😀\nhere\n", encoding="utf-8")
    nvim.command("edit!")
    nvim.keys("ggAx<Esc>")
    nvim.flush()
    assert recorded(sidecar)["reload.txt"] == nvim.text()
    nvim.edit(dos)
    nvim.keys("Goadded<Esc>ggx")
    nvim.flush()
    assert recorded(sidecar)["dos.txt"].replace("\r\n", "\n") == nvim.text()


def test_pause_and_resume_from_the_editor(sidecar: Recorder | Gate, nvim: Neovim) -> None:
    path = sidecar.work / "pause.txt"
    path.write_text("start\n", encoding="utf-8")
    nvim.edit(path)
    request = "return vim.lsp.get_client_by_id(overt_client).request_sync(..., nil, 20000, 0).result.state"
    assert nvim.api.exec_lua(request, "overt/pause") == "paused"
    nvim.keys("ohidden<Esc>u")
    assert nvim.api.exec_lua(request, "overt/resume") == "capturing"
    nvim.keys("onot yet<Esc>")
    nvim.flush()
    assert recorded(sidecar)["pause.txt"] == "start\n"
    nvim.command("write")
    nvim.keys("oback<Esc>")
    nvim.flush()
    assert recorded(sidecar)["pause.txt"] == "start\nnot yet\nback\n"
    assert "hidden" not in repr(sidecar.sessions())


def test_the_editor_ends_and_everything_is_there(sidecar: Recorder | Gate, nvim: Neovim) -> None:
    path = sidecar.work / "end.txt"
    nvim.edit(path)
    nvim.keys("ilast words<Esc>")
    nvim.command("write")
    assert "overt" not in nvim.messages()
    nvim.quit()
    assert not nvim.server.is_running()
    bodies = sidecar.sessions()[0]
    assert isinstance(bodies[-1], DocumentClose)
    assert recorded(sidecar)["end.txt"] == path.read_text("utf-8") == "last words\n"


def test_the_editor_is_killed_and_everything_is_there(sidecar: Recorder | Gate, nvim: Neovim) -> None:
    path = sidecar.work / "killed.txt"
    path.write_text("\n", encoding="utf-8")
    nvim.edit(path)
    nvim.keys("ilast words<Esc>")
    nvim.flush()
    nvim.editor.kill()
    nvim.server.wait(30)
    assert recorded(sidecar)["killed.txt"] == "last words\n"
    assert isinstance(sidecar.sessions()[0][-1], DocumentClose)
