"""Writes the built-in deny rules for the editors' plugins, which must not load Python to know them.

python scripts/denied_names.py > extensions/vscode/src/denied.json
"""

from __future__ import annotations

import json

from consent_ledger.denies import FILES, FOLDERS


def denied_names() -> str:
    """Give the rules as the plugins read them."""
    return json.dumps({"folders": FOLDERS, "files": FILES}, indent=2) + "\n"


if __name__ == "__main__":
    print(denied_names(), end="")
