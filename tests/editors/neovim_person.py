"""A person at Neovim with the plugin: keys go in one command at a time, as from a keyboard."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pynvim

from tests.editors.neovim_driver import find_neovim

PLUGIN = Path(__file__).parents[2] / "extensions" / "neovim"
WAIT_S = 30.0
HUNG_S = 60.0


def wait_for(what: str, check: Callable[[], Any]) -> Any:
    """Wait until something is so; what is not so in time fails the test by its name."""
    end = time.monotonic() + WAIT_S
    while not (found := check()):
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)
    return found


class NeovimPerson:
    """One Neovim with nothing but the plugin, and whoever types in it."""

    def __init__(self, config: Path, environment: Mapping[str, str], *, neovim: str | None = None) -> None:
        """``config`` holds what this Neovim remembers; ``environment`` finds overt and its home."""
        argv = [
            neovim or find_neovim(), "--embed", "-n", "-i", "NONE", "-u", "NORC",
            "--cmd", f"set runtimepath^={PLUGIN}", "--cmd", "set nomore hidden shortmess+=IF cmdheight=8",
        ]  # fmt: skip
        places = {"XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data", "XDG_STATE_HOME": "state"}
        variables = {**environment, **{name: str(config / folder) for name, folder in places.items()}}
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            self.api = pynvim.attach("child", argv=argv)
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        self.api.ui_attach(100, 30, rgb=True)
        self._gone = False
        self.process = psutil.Process(self.api.funcs.getpid())
        # A Neovim that waits for a key answers no call: end it, so that the test fails and does not hang.
        self._watchdog = threading.Timer(HUNG_S, self.process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    # --- what the person does

    def press(self, *keys: str) -> None:
        """Press keys, in Vim's notation; each argument is one key or one command, and is over before the next."""
        for each in keys:
            self.api.input(each)
            self.settle()

    def type(self, text: str) -> None:
        """Type text, a key at a time, in whatever mode Neovim is in."""
        for letter in text:
            self.press({"\n": "<CR>", "<": "<lt>"}.get(letter, letter))

    def paste(self, text: str) -> None:
        """Paste as a terminal does."""
        self.api.api.paste(text, True, -1)
        self.settle()

    def open(self, path: Path) -> None:
        """Open a file by hand, and wait until overt has made up its mind about it."""
        self.press(f":edit {path}<CR>")
        self.decided()

    def decided(self) -> None:
        """Wait until the current buffer is captured, or why not is known."""
        wait_for(
            "a word about the file",
            lambda: self.lua(
                "local b = require('overt.buffer'); local n = vim.api.nvim_get_current_buf();"
                "return b.captured(n) or b.refusals[n] ~= nil"
            ),
        )

    def save(self) -> None:
        """Save the file."""
        self.press(":write<CR>")

    # --- what the person sees

    def sign(self) -> str:
        """The sign, as a statusline would show it."""
        return str(self.lua("return require('overt').statusline()"))

    def await_sign(self, sign: str) -> None:
        """Wait until the sign is as said."""
        wait_for(f"the sign {sign!r}", lambda: self.sign() == sign)

    def messages(self) -> str:
        """What was said to the person."""
        self._read_on()
        return str(self.api.command_output("messages"))

    def text(self) -> str:
        """The current buffer as its file would be."""
        return "\n".join(self.api.current.buffer[:]) + "\n"

    # --- underneath

    def lua(self, code: str, *arguments: object) -> Any:
        """Run Lua in Neovim."""
        return self.api.exec_lua(code, *arguments)

    def settle(self) -> None:
        """Wait until Neovim has dealt with what was typed and come to rest."""
        self._read_on()
        wait_for("Neovim at rest", lambda: self.lua("return require('overt.buffer').rested()"))

    def _read_on(self) -> None:
        """Press Enter where a message of several lines asks for it."""
        while True:
            mode = self.api.api.get_mode()
            if not (mode["blocking"] and mode["mode"].startswith("r")):
                return
            self.api.input("<CR>")

    def flush(self) -> dict[str, Any]:
        """Have everything so far brought to disk; gives the sidecar's status."""
        self.lua("overt_answer = nil; require('overt').ask('overt/flush', nil, function(s) overt_answer = s end)")
        return dict(wait_for("everything on disk", lambda: self.lua("return overt_answer")))

    def sidecar(self) -> psutil.Process:
        """The sidecar's process."""
        return psutil.Process(wait_for("a sidecar", lambda: self.lua("return require('overt.sidecar').pid()")))

    def quit(self) -> None:
        """Leave as with ``:qa!`` and wait for everything to end. Harmless when it is gone."""
        if self._gone:
            return
        self._gone = True
        self._watchdog.cancel()
        children = self.process.children()
        with contextlib.suppress(OSError, EOFError):
            self.api.command("qall!")
        with contextlib.suppress(OSError):
            self.api.close()
        psutil.wait_procs([self.process, *children], timeout=WAIT_S)
