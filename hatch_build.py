"""What the wheel takes beside the packages: the plugins that `overt setup` copies, as far as they are built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLUGINS = {
    "extensions/neovim": "overt/plugins/neovim",
    "extensions/emacs": "overt/plugins/emacs",
    "extensions/vscode/dist/overt.vsix": "overt/plugins/overt.vsix",
    "extensions/browser/dist/chromium": "overt/plugins/browser/chromium",
    "extensions/browser/dist/firefox": "overt/plugins/browser/firefox",
}
"""Where they lie in a checkout, and where in the wheel; `make dist` builds them all."""


class PluginHook(BuildHookInterface[Any]):
    """Adds the plugins to a wheel; an editable installation finds them in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name them to the builder."""
        if version == "editable":
            return
        for source, target in PLUGINS.items():
            path = Path(self.root) / source
            if path.exists():
                build_data["force_include"][str(path)] = target
