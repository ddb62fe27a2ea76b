"""Neovim without a screen, with the collector as its language server, driven key by key."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import psutil
import pynvim
import pytest

# Neovim 0.7 knows `start_client` only; `debounce_text_changes = 0` sends every change at once.
ATTACH = """
local command, root = ...
overt_client = vim.lsp.start_client({
  name = 'overt', cmd = command, root_dir = root, flags = { debounce_text_changes = 0 },
  on_exit = function(code, signal) overt_ended = { code, signal } end,
})
vim.api.nvim_create_autocmd('BufReadPost', {
  callback = function(event) vim.lsp.buf_attach_client(event.buf, overt_client) end,
})
vim.api.nvim_create_autocmd('BufNewFile', {
  callback = function(event) vim.lsp.buf_attach_client(event.buf, overt_client) end,
})
return vim.wait(20000, function() return vim.lsp.get_client_by_id(overt_client).initialized == true end, 5)
"""

FLUSH = """
local answer, why = vim.lsp.get_client_by_id(overt_client).request_sync('overt/flush', nil, 20000, 0)
return answer and answer.result or { failed = why }
"""


def find_neovim() -> str:
    """Give Neovim's path; where there is none the test fails, it is never skipped."""
    found = shutil.which("nvim")
    if found is None:
        pytest.fail("Neovim is missing. Install it: apt-get install --no-install-recommends neovim")
    return found


class Neovim:
    """One editor process with one client."""

    def __init__(self, command: list[str], root: Path) -> None:
        argv = [find_neovim(), "--embed", "--headless", "--clean", "-n", "-i", "NONE"]
        self._gone = False
        self.api = pynvim.attach("child", argv=argv)
        self.api.command("set nomore shortmess+=I encoding=utf-8 hidden")
        self.editor = psutil.Process(self.api.funcs.getpid())
        assert self.api.exec_lua(ATTACH, command, os.fspath(root)), "the server did not answer initialize"
        pid = self.api.exec_lua("return vim.lsp.get_client_by_id(overt_client).rpc.pid")
        self.server = psutil.Process(pid)

    def edit(self, path: Path) -> None:
        """Open a file in the current window."""
        self.api.command(f"edit {path}")

    def keys(self, keys: str) -> None:
        """Press keys, in Vim's notation (``<Esc>``), as if they were typed."""
        self.api.feedkeys(self.api.replace_termcodes(keys, True, True, True), "tx", False)

    def command(self, command: str) -> None:
        """Run an Ex command."""
        self.api.command(command)

    def paste(self, text: str) -> None:
        """Paste as a terminal does."""
        self.api.api.paste(text, True, -1)

    def text(self, buffer: int | None = None) -> str:
        """Give a buffer as its file would be."""
        lines = self.api.current.buffer[:] if buffer is None else self.api.buffers[buffer][:]
        return "\n".join(lines) + "\n"

    def flush(self) -> dict[str, Any]:
        """Have everything so far brought to disk; gives the status."""
        status: dict[str, Any] = self.api.exec_lua(FLUSH)
        assert "failed" not in status, status
        return status

    def messages(self) -> str:
        """Give what the person would have seen."""
        shown: str = self.api.command_output("messages")
        return shown

    def quit(self) -> None:
        """Leave without asking, as with ``:qa!``, and wait for both processes. Harmless when they are gone."""
        if self._gone:
            return
        self._gone = True
        with contextlib.suppress(OSError, EOFError):
            self.api.command("qall!")
        with contextlib.suppress(OSError):
            self.api.close()
        psutil.wait_procs([self.editor, self.server], timeout=30)
