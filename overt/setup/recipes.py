"""What a person adds to an editor by hand, where overt leaves its settings alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

UNTRIED = "Written to its documentation; untried."


def helix(command: Sequence[str]) -> str:
    """For languages.toml. Each language names all of its servers."""
    return f"""In ~/.config/helix/languages.toml, and for each language you want:

[language-server.overt]
command = {json.dumps(command[0], ensure_ascii=False)}
args = {json.dumps(list(command[1:]), ensure_ascii=False)}

[[language]]
name = "python"
language-servers = ["pylsp", "overt"]

Helix 23.10 or later. {UNTRIED}
"""


def kate(command: Sequence[str]) -> str:
    """For Kate's LSP client plugin."""
    servers = {"servers": {"python": {"command": list(command), "url": "", "highlightingModeRegex": "^Python$"}}}
    return f"""Settings > Configure Kate > LSP Client > User Server Settings, one entry for each language you want
(Kate runs one server for a language, so overt takes the place of another there):

{json.dumps(servers, indent=2)}

In katerc, below [lspclient], IncrementalSync=true sends changes instead of whole files.
Kate asks once whether the server may be started.
"""


def sublime(command: Sequence[str]) -> str:
    """For the LSP package."""
    client = {"clients": {"overt": {"enabled": True, "command": list(command), "selector": "source | text"}}}
    return f"""With the package LSP: Preferences > Package Settings > LSP > Settings:

{json.dumps(client, indent=2)}

{UNTRIED}
"""


def zed(command: Sequence[str]) -> str:
    """For Zed, which starts only servers that an extension names."""
    binary = {"lsp": {"overt": {"binary": {"path": command[0], "arguments": list(command[1:])}}}}
    return f"""Zed starts servers that its extensions name, so it needs one that names `overt`. Its settings.json then:

{json.dumps(binary, indent=2)}

{UNTRIED}
"""


def vim(command: Sequence[str]) -> str:
    """For vim-lsp, and for ALE."""
    words = ", ".join(map(_vim_string, command))
    return f"""With vim-lsp, in your vimrc:

if executable({_vim_string(command[0])})
  au User lsp_setup call lsp#register_server({{
    \\ 'name': 'overt', 'cmd': {{server_info -> [{words}]}}, 'allowlist': ['*'] }})
endif

With ALE, in your vimrc, for each language you want:

call ale#linter#Define('python', {{
  \\ 'name': 'overt', 'lsp': 'stdio', 'executable': {_vim_string(command[0])},
  \\ 'command': {_vim_string("%e " + shlex.join(command[1:]))},
  \\ 'project_root': {{buffer -> expand('#' . buffer . ':p:h')}} }})
let g:ale_linters = {{'python': ['overt', 'ruff', 'mypy']}}
let g:ale_lint_delay = 0

Name overt there beside the linters that you use: ALE starts no others.
ALE sends whole files, a moment after typing; overt compares them.
"""


def _vim_string(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


def jetbrains(command: Sequence[str]) -> str:
    """For the plugin LSP4IJ."""
    line = " ".join(f'"{word}"' if " " in word else word for word in command)
    return f"""Install the plugin LSP4IJ, then Settings > Languages & Frameworks > Language Servers > New:
name `overt`, command `{line}`, and under Mappings the file types or languages you want.

{UNTRIED}
"""
