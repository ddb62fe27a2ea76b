"""Write tests/vectors/words.json: the words that describe elements, for the extension and the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from event_model.page_words import OTHER_TAG, TAGS, Role, State

ROLES = {
    "button": "button",
    "graphics-symbol": "graphics-symbol",
    "none": "",
    "presentation": "",
    "generic": "",
    "Button": "",
    "patient-jones": "",
    "Patient Jones": "",
    "": "",
}
"""What stands in the attribute, and the role that is kept."""

NAMES = {"td": "td", "h2": "h2", "x-element": OTHER_TAG, "patient-jones": OTHER_TAG, "blink": OTHER_TAG}
"""An element's tag name, and what a path has in its place."""

KNOWN_PATHS = ["", "main:1/table:1/tbody:1/tr:12/td:3", "#frame/div:1/#shadow/x-element:2"]
UNKNOWN_PATHS = [
    "patient-jones:1",
    "div",
    "div:",
    "div:one",
    "div:1/",
    "/div:1",
    "div:1/#patient",
    "div:1:2",
    "#shadow:1",
]


def main() -> None:
    """Write the file beside this one."""
    vectors = {
        "roles": sorted(get_args(Role)),
        "states": sorted(get_args(State)),
        "tags": sorted(TAGS),
        "role_kept": ROLES,
        "tag_kept": NAMES,
        "paths": KNOWN_PATHS,
        "paths_refused": UNKNOWN_PATHS,
    }
    path = Path(__file__).resolve().with_name("words.json")
    path.write_text(json.dumps(vectors, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
