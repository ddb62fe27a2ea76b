"""A person at Emacs in a terminal, with the plugin: real keys go in, and `emacsclient` looks at what came of them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import shutil
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tests.editors.neovim_person import wait_for

PLUGIN = Path(__file__).parents[2] / "extensions" / "emacs"
ASK_S = 20.0
ROWS, COLUMNS = 30, 100

ENTER, ESCAPE, BACKSPACE = "\r", "\x1b", "\x7f"


def control(letter: str) -> str:
    """The byte of a key with Control."""
    return chr(ord(letter.upper()) - 64)


def find_emacs() -> str:
    """Give Emacs' path; where there is none the test fails, it is never skipped."""
    found = shutil.which("emacs")
    if found is None:
        pytest.fail("Emacs is missing. Install it: apt-get install --no-install-recommends emacs-nox")
    return found


class EmacsPerson:
    """One Emacs with nothing but the plugin, and whoever types in it."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, setup: str = "(global-overt-mode 1)") -> None:
        """``folder`` becomes this Emacs' home; ``environment`` finds overt and its home; ``setup`` is its init file."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # Emacs wants its socket to itself
        self._socket = folder / "server"
        self._gone = False
        init = folder / "init.el"
        init.write_text(
            "(setq make-backup-files nil auto-save-default nil create-lockfiles nil inhibit-startup-screen t\n"
            f'      ring-bell-function #\'ignore server-socket-dir "{folder}" server-name "server")\n'
            f"(add-to-list 'load-path \"{PLUGIN}\")\n(require 'overt)\n{setup}\n(server-start)\n",
            "utf-8",
        )
        variables = {
            **os.environ, **environment, "HOME": str(folder), "TERM": "xterm-256color", "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        argv = [find_emacs(), "-nw", "-Q", "-l", str(init)]
        self._pid, self.keyboard = pty.fork()
        if self._pid == 0:
            os.execve(argv[0], argv, variables)
        fcntl.ioctl(self.keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = psutil.Process(self._pid)
        self._screen = threading.Thread(target=self._drain, daemon=True)
        self._screen.start()
        wait_for("Emacs", self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(AssertionError):
            return self._socket.exists() and self.ask("1") == "1"
        return False

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while os.read(self.keyboard, 65536):
                pass

    # --- what the person does

    def press(self, *keys: str) -> None:
        """Press keys; each argument is one command, and is over before the next."""
        for each in keys:
            before = self.ask("num-nonmacro-input-events")
            os.write(self.keyboard, each.encode())
            wait_for("the key", lambda before=before: self.ask("num-nonmacro-input-events") != before)
            self.settle()

    def type(self, text: str) -> None:
        """Type text, a key at a time."""
        for letter in text:
            self.press({"\n": ENTER}.get(letter, letter))

    def command(self, name: str, *answers: str) -> None:
        """Run a command by its name, as with M-x, and give its prompts their answers."""
        os.write(self.keyboard, f"{ESCAPE}x".encode())
        wait_for("the prompt", lambda: self.ask("(minibuffer-depth)") == "1")
        os.write(self.keyboard, f"{name}{ENTER}".encode())
        for answer in answers:
            wait_for("the prompt", lambda: name not in self.ask("(minibuffer-contents-text)"))
            os.write(self.keyboard, f"{answer}{ENTER}".encode())
        self.settle()

    def open(self, path: Path) -> None:
        """Open a file, and wait until overt has made up its mind about it."""
        self.visit(path)
        wait_for("a word about the file", lambda: self.ask("(and (or overt--uri overt--refusals) t)") == "t")

    def visit(self, path: Path) -> None:
        """Open a file by hand."""
        os.write(self.keyboard, f"{control('x')}{control('f')}".encode())
        wait_for("the prompt", lambda: self.ask("(minibuffer-depth)") == "1")
        os.write(self.keyboard, f"{control('a')}{control('k')}{path}{ENTER}".encode())
        wait_for("the file", lambda: self.ask("buffer-file-name") == f'"{path}"')
        self.settle()

    def save(self) -> None:
        """Save the file."""
        self.press(control("x") + control("s"))
        wait_for("the save", lambda: self.ask("(buffer-modified-p)") == "nil")

    # --- what the person sees

    def sign(self) -> str:
        """The mode line's sign."""
        return self.ask("(and overt-mode (substring-no-properties (overt-sign)))").strip('"').strip()

    def await_sign(self, sign: str) -> None:
        """Wait until the sign is as said."""
        wait_for(f"the sign {sign!r}", lambda: self.sign() == sign)

    def messages(self) -> str:
        """What was said to the person."""
        return self.ask('(with-current-buffer "*Messages*" (buffer-string))')

    def text(self) -> str:
        """The current buffer's text."""
        return self.ask("(buffer-string)")

    # --- underneath

    def ask(self, form: str) -> str:
        """Evaluate a form in the buffer that is shown; gives what it prints."""
        form = form.replace("(minibuffer-contents-text)", '(if (minibufferp) (minibuffer-contents) "")')
        client = shutil.which("emacsclient")
        assert client is not None
        done = subprocess.run(
            [client, "-s", str(self._socket), "--eval", f"(with-current-buffer (window-buffer) {form})"],
            capture_output=True, text=True, timeout=ASK_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def settle(self) -> None:
        """Wait until nothing is typed ahead and nothing waits to be sent."""
        wait_for("Emacs at rest", lambda: self.ask("(and (not (input-pending-p)) (null overt--queue))") == "t")

    def flush(self) -> None:
        """Have everything so far brought to disk."""
        self.ask(
            "(progn (setq overt-test-done nil) (overt--request :overt/flush nil (lambda (_) (setq overt-test-done t))))"
        )
        wait_for("everything on disk", lambda: self.ask("overt-test-done") == "t")

    def sidecar(self) -> psutil.Process:
        """The sidecar's process."""
        form = "(and overt--connection (process-id (jsonrpc--process overt--connection)))"
        return psutil.Process(int(wait_for("a sidecar", lambda: self.ask(form).replace("nil", ""))))

    def children(self) -> list[psutil.Process]:
        """The processes that this Emacs started."""
        return list(self.process.children())

    def quit(self) -> None:
        """Leave with C-x C-c, without saving, and wait for everything to end. Harmless when it is gone."""
        if self._gone:
            return
        self._gone = True
        children = self.children()
        leave = "(set-buffer-modified-p nil) (let ((kill-emacs-query-functions nil)) (kill-emacs))"
        with contextlib.suppress(AssertionError):  # it may be gone already, and the test says why
            self.ask(f"(run-at-time 0 nil (lambda () {leave}))")
        try:
            self.process.wait(ASK_S)
        except psutil.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        psutil.wait_procs(children, timeout=ASK_S)
        with contextlib.suppress(OSError):
            os.close(self.keyboard)
