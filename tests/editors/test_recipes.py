"""What docs/EDITORS.md tells a person to write works as it is printed."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pyarrow.dataset
import pytest

from overt.demo.house import House

pytestmark = [pytest.mark.editor, pytest.mark.xdist_group("system")]

EDITORS = Path(__file__).parents[2] / "docs" / "EDITORS.md"
NEOVIM_S = 60.0

# What a person does: open a file (which starts the sidecar), type, save, quit.
TYPE = """
vim.cmd("edit typed.py")
assert(vim.wait(20000, function()
  local client = vim.g.overt_client and vim.lsp.get_client_by_id(vim.g.overt_client)
  return client and client.initialized
end, 10), "the sidecar did not start")
assert(vim.wait(20000, function() return vim.g.overt == "capturing" end, 10), "the sign is off")
vim.api.nvim_feedkeys("iprint('typed as the page says')\\27", "tx", false)
vim.cmd("silent write")
vim.cmd("qall")
"""


async def test_the_neovim_recipe_captures_as_printed(tmp_path: Path) -> None:
    found = shutil.which("nvim")
    assert found is not None, "Neovim is missing. Install it: apt-get install --no-install-recommends neovim"
    recipe = re.search(r"## Neovim.*?```lua\n(.*?)```", EDITORS.read_text("utf-8"), re.DOTALL)
    assert recipe is not None
    house = House(tmp_path)
    await house.found_study()
    await house.join()
    init, script = tmp_path / "init.lua", tmp_path / "type.lua"
    init.write_text(recipe.group(1), "utf-8")
    script.write_text(TYPE, "utf-8")
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = await asyncio.create_subprocess_exec(
        found, "--headless", "-n", "-i", "NONE", "-u", str(init), "-c", f"luafile {script}",
        cwd=house.work, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **house.environment, "PATH": tools},
    )  # fmt: skip
    async with asyncio.timeout(NEOVIM_S):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    try:
        await house.start_receiver()
        await house.sync()
        await house.build()
    finally:
        await house.close()
    rows = pyarrow.dataset.dataset(house.dataset / "documents").to_table().to_pylist()
    assert [(row["path"], row["final_text"], row["exact"]) for row in rows] == [
        ("typed.py", (house.work / "typed.py").read_text("utf-8"), True)
    ]
