"""Vim with ALE, set up with what `overt setup vim` prints, in a real terminal."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import shutil
import struct
import termios
import threading
from pathlib import Path

import psutil
import pytest

from event_model.events import CaptureStart, DocumentSave
from overt.setup.recipes import vim
from tests.editors.neovim_person import wait_for
from tests.editors.plugin_house import TOOLS
from tests.lsp_collector.lsp_person import Participant
from tests.lsp_collector.lsp_recorder import replay

pytestmark = [pytest.mark.editor, pytest.mark.system, pytest.mark.xdist_group("system")]

ALE = Path("/usr/share/vim-ale")


def recipe() -> str:
    """The part of the recipe that is for ALE, as printed."""
    lines = vim(["overt", "lsp"]).partition("With ALE")[2].splitlines()
    return "\n".join(line for line in lines if line.startswith(("call ", "let ", "  \\")))


def test_vim_with_ale_captures_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = shutil.which("vim")
    assert found is not None, "Vim is missing. Install it: apt-get install --no-install-recommends vim"
    assert ALE.is_dir(), "ALE is missing. Install it: apt-get install --no-install-recommends vim-ale"
    monkeypatch.setenv("OVERT_KEYRING", "file")
    work = tmp_path / "work"
    work.mkdir()
    person = Participant(tmp_path / "home", work)
    person.join()
    (work / ".env").write_text("TOKEN=hunter2000\n", "utf-8")
    file = work / "typed.py"
    file.write_text("one = 1\n", "utf-8")
    vimrc = tmp_path / "vimrc"
    vimrc.write_text(f"set nocompatible nomore\nset rtp+={ALE}\nfiletype plugin on\n{recipe()}\n", "utf-8")
    environment = {
        **os.environ, "OVERT_HOME": str(person.home), "OVERT_HOST": "own", "HOME": str(tmp_path), "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
        "PATH": os.pathsep.join([TOOLS, os.environ["PATH"]]),
    }  # fmt: skip
    pid, keyboard = pty.fork()
    if pid == 0:
        os.execve(found, [found, "-Nu", str(vimrc), "-i", "NONE", "-n", str(file)], environment)
    fcntl.ioctl(keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    threading.Thread(target=_drain, args=(keyboard,), daemon=True).start()
    editor = psutil.Process(pid)
    try:
        wait_for("the document", lambda: kept_of(person).get("typed.py") == "one = 1\n")
        for keys, text in (
            ("otwo = 'naïve 😀'\x1b", "one = 1\ntwo = 'naïve 😀'\n"),
            ("yyp", "one = 1\ntwo = 'naïve 😀'\ntwo = 'naïve 😀'\n"),
            ("u", "one = 1\ntwo = 'naïve 😀'\n"),
            ("\x12ggx", "ne = 1\ntwo = 'naïve 😀'\ntwo = 'naïve 😀'\n"),
        ):
            os.write(keyboard, keys.encode())
            wait_for(repr(text), lambda text=text: kept_of(person).get("typed.py") == text)
        os.write(keyboard, b":w\r")
        wait_for("the save", lambda: any(isinstance(each, DocumentSave) for each in bodies_of(person)))
        os.write(keyboard, f":e {work}/.env\r".encode() + b"oTOKEN=swordfish\x1b:w\r:qa!\r")
        psutil.wait_procs([editor], timeout=30)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            editor.kill()
        with contextlib.suppress(OSError):
            os.close(keyboard)
    assert kept_of(person)["typed.py"] == file.read_text("utf-8")
    bodies = bodies_of(person)
    assert "TOKEN" not in repr(bodies)
    assert isinstance(bodies[0], CaptureStart)


def _drain(screen: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(screen, 65536):
            pass


def bodies_of(person: Participant) -> list[object]:
    with contextlib.suppress(FileNotFoundError):
        return [body for bodies in asyncio.run(person.kept()) for body in bodies]
    return []


def kept_of(person: Participant) -> dict[str, str]:
    return {name: text for bodies in asyncio.run(person.kept()) for name, text in replay(bodies).items()}
