"""A real Neovim, where one is installed: starts the sidecar itself and is typed in."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

NEOVIM_S = 30.0
"""An editor that has not finished by then is stopped."""

_SCRIPT = """
local id = vim.lsp.start_client({
  name = "overt", cmd = { %COMMAND% }, root_dir = "%ROOT%", flags = { debounce_text_changes = 0 },
})
vim.cmd("edit %FILE%")
vim.lsp.buf_attach_client(0, id)
local client = vim.lsp.get_client_by_id(id)
if not vim.wait(15000, function() return client.initialized end, 20) then vim.cmd("cquit 3") end
local function press(keys)
  vim.api.nvim_feedkeys(vim.api.nvim_replace_termcodes(keys, true, false, true), "tx", false)
end
%KEYS%
vim.cmd("silent write")
client.request_sync("overt/flush", vim.empty_dict(), 10000)
client.stop()
vim.wait(10000, function() return client.is_stopped() end, 20)
vim.cmd("qall!")
"""

KEYS = (
    "idef area(radius):<CR>    return 3.14 * radius * radius<Esc>",
    "oprint(area(2))<Esc>",
    ":%s/3.14/3.14159/<CR>",
    "ggO# Fläche eines Kreises 🙂<Esc>",
    "yyGp",
    "u",
)
"""Typing, a substitution, characters beyond one UTF-16 unit, a paste, and its undo."""


def installed() -> str | None:
    """Say where Neovim is, if it is installed."""
    return shutil.which("nvim")


async def type_in_neovim(
    nvim: str, *, root: Path, file: Path, command: Sequence[str], environment: Mapping[str, str]
) -> int:
    """Let Neovim edit and save a file with the sidecar beside it; gives its exit code."""
    script = root / ".neovim-demo.lua"
    keys = "\n".join(f"press([==[{each}]==])" for each in KEYS)
    text = _SCRIPT.replace("%COMMAND%", ", ".join(f'"{part}"' for part in command)).replace("%KEYS%", keys)
    script.write_text(text.replace("%ROOT%", str(root)).replace("%FILE%", str(file)), "utf-8")
    process = await asyncio.create_subprocess_exec(
        nvim, "--headless", "-u", "NONE", "-i", "NONE", "-n", "-c", f"luafile {script}",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
    )  # fmt: skip
    try:
        async with asyncio.timeout(NEOVIM_S):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()
    finally:
        script.unlink(missing_ok=True)
