"""The tools that overt can be set up for: a function each, which makes the plan for a machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from browser_bridge.introduction import introduction, profile_folder
from overt.setup import recipes
from overt.setup.changes import CopyFolder, Introduce, MarkedBlock, RunCommand, WriteFile
from overt.setup.plan import Plan, Surroundings

VSCODE_ID = "overt.overt"
COMMAND_FILE = "command.json"
"""In overt's own folder: what starts overt, for the extension, which can't be told in another way."""
VSCODE_COMMANDS = ("code", "code-insiders", "codium", "code-server", "cursor")
"""VS Code, its builds by others, and editors made of it; the first one that is there is set up."""

JOIN = "Then `overt join STUDY`, if you have not joined one: nothing is captured before."
NO_PLUGIN = "This installation of overt came without the plugin's files; install it anew from a release."
MakePlan = Callable[[Surroundings], Plan]


def vscode(here: Surroundings) -> Plan:
    """VS Code: the extension, by the editor's own command."""
    command = next((name for name in VSCODE_COMMANDS if here.which(name)), None)
    package = here.plugin("overt.vsix") or here.plugin("vscode/dist/overt.vsix")
    by_hand = "In VS Code: Extensions > … > Install from VSIX, and choose overt.vsix."
    if command is None or package is None:
        return Plan("vscode", "VS Code", command is not None, recipe=by_hand if package else NO_PLUGIN)
    install = RunCommand(
        (command, "--install-extension", str(package), "--force"),
        (command, "--uninstall-extension", VSCODE_ID),
        (command, "--list-extensions"),
        VSCODE_ID,
    )
    after = f"Open VS Code: the walkthrough shows the rest. {JOIN}"
    started_by = WriteFile(here.home / COMMAND_FILE, json.dumps(here.command) + "\n")
    return Plan("vscode", "VS Code", found=True, changes=(started_by, install), recipe=by_hand, after=after)


def neovim(here: Surroundings) -> Plan:
    """Neovim: the plugin as a package, which it loads by itself."""
    source = here.plugin("neovim")
    data = here.folder("LOCALAPPDATA", "AppData/Local") / "nvim-data"
    if here.platform != "win32":
        data = here.folder("XDG_DATA_HOME", ".local/share") / "nvim"
    found = here.which("nvim") is not None
    if source is None:
        return Plan("neovim", "Neovim", found, recipe=NO_PLUGIN)
    folder = data / "site" / "pack" / "overt" / "start" / "overt"
    words = ", ".join(map(_lua, here.command))
    started_by = WriteFile(folder / "lua" / "overt" / "installed.lua", f"return {{ {words} }}\n")
    after = f"Start Neovim anew; `:checkhealth overt` tells whether all is well, `:help overt` the rest. {JOIN}"
    by_hand = f"Copy {source} into a folder of your packpath (`:help packages`), or name it to your plugin manager."
    return Plan("neovim", "Neovim", found, (CopyFolder(source, folder), started_by), by_hand, after)


def emacs(here: Surroundings) -> Plan:
    """Emacs: the package beside the configuration, and a few lines in it."""
    source = here.plugin("emacs")
    found = here.which("emacs") is not None
    if source is None:
        return Plan("emacs", "Emacs", found, recipe=NO_PLUGIN)
    folders = (here.folder("XDG_CONFIG_HOME", ".config") / "emacs", here.user_home / ".emacs.d")
    folder = next((each for each in folders if each.is_dir()), folders[1])
    old = here.user_home / ".emacs"
    lines = (
        f"(add-to-list 'load-path {_lisp_string(str(folder / 'overt'))})",
        f"(setq overt-command '({' '.join(map(_lisp_string, here.command))}))",
        "(require 'overt)",
        "(global-overt-mode 1)",
    )
    changes = (
        CopyFolder(source, folder / "overt"),
        MarkedBlock(old if old.exists() else folder / "init.el", ";;", lines),
    )
    after = f"Start Emacs anew; the mode line shows whether anything is captured. {JOIN}"
    return Plan("emacs", "Emacs", found, changes, "\n".join(("In your init.el:", "", *lines)), after)


def by_recipe(
    name: str, title: str, programs: Sequence[str], recipe: Callable[[Sequence[str]], str], here: Surroundings
) -> Plan:
    """An editor whose settings are the person's own: overt says what to add."""
    found = any(here.which(program) for program in programs)
    return Plan(name, title, found, recipe=recipe(here.sidecar), after=JOIN)


def browser(name: str, title: str, programs: Sequence[str], here: Surroundings) -> Plan:
    """A browser: the native messaging host, which introduces the extension to the bridge."""
    profile = profile_folder(name, user_home=here.user_home, platform=here.platform)
    found = any(here.which(program) for program in programs) or (profile is not None and profile.is_dir())
    made = introduction(name, home=here.home, user_home=here.user_home, python=here.python, platform=here.platform)
    kind = "firefox" if name == "firefox" else "chromium"
    files = here.plugin(f"browser/{kind}") or here.plugin(f"browser/dist/{kind}")
    return Plan(name, title, found, (Introduce(made),), after=f"{_load(kind, files)} {JOIN}")


def _load(kind: str, files: Path | None) -> str:
    where = "the extension's folder" if files is None else str(files)
    if kind == "firefox":
        return (
            f"In Firefox: about:debugging > This Firefox > Load Temporary Add-on, and choose manifest.json in {where}."
        )
    return f"In the browser, open the extensions page, switch on Developer mode, choose Load unpacked, and {where}."


def _lisp_string(text: str) -> str:
    return '"' + text.replace("\\", "/").replace('"', '\\"') + '"'


def _lua(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


TARGETS: Mapping[str, MakePlan] = {
    "vscode": vscode,
    "neovim": neovim,
    "emacs": emacs,
    "chrome": partial(browser, "chrome", "Chrome", ("google-chrome", "google-chrome-stable")),
    "chromium": partial(browser, "chromium", "Chromium", ("chromium", "chromium-browser")),
    "edge": partial(browser, "edge", "Edge", ("microsoft-edge",)),
    "brave": partial(browser, "brave", "Brave", ("brave-browser",)),
    "firefox": partial(browser, "firefox", "Firefox", ("firefox", "firefox-esr")),
    "helix": partial(by_recipe, "helix", "Helix", ("hx", "helix"), recipes.helix),
    "kate": partial(by_recipe, "kate", "Kate", ("kate",), recipes.kate),
    "sublime": partial(by_recipe, "sublime", "Sublime Text", ("subl",), recipes.sublime),
    "zed": partial(by_recipe, "zed", "Zed", ("zed", "zeditor"), recipes.zed),
    "vim": partial(by_recipe, "vim", "Vim", ("vim",), recipes.vim),
    "jetbrains": partial(by_recipe, "jetbrains", "JetBrains", ("idea", "pycharm", "webstorm"), recipes.jetbrains),
}
"""Every tool, by the name that `overt setup` takes."""
