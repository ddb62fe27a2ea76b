"""Navigation in formats of others: WebLINX turns and Chrome Recorder scripts. Made from a dataset's own files alone."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from dataset_builder.insights import rows_of
from dataset_builder.plan import Split
from dataset_builder.tables import schema_of
from event_model.events import FILLER

Row = dict[str, Any]
Node = dict[str, Any]

_STEP = re.compile(r"([a-z][a-z0-9-]*):(\d+)")
_ENCODER = msgspec.json.Encoder()
_VERSION = "1.0.0"
_MS = 1_000

HISTORY = 8
"""How many earlier actions are told of."""

_BY_HAND = frozenset({"click", "textInput", "change", "submit", "scroll", "copy", "paste"})

_INTENTS = {
    "page.open": "load",
    "page.navigate": "load",
    "page.close": "tabremove",
    "tab.activate": "tabswitch",
    "pointer.click": "click",
    "form.submit": "submit",
    "scroll": "scroll",
}
"""WebLINX's intent of each kind; fields and the clipboard depend on more."""


def write_weblinx(out: Path, target: Path) -> tuple[int, int, int]:
    """Write a demonstration per session with pages; gives files, turns, and events that are no turn of theirs."""
    files = items = left_out = 0
    for split in Split:
        (target / split.value).mkdir()
        for session, rows in _sessions(out, split):
            folder = target / split.value / session
            folder.mkdir()
            turns = [turn for turn in _turns(rows) if turn is not None]
            left_out += len(rows) - len(turns)
            items += len(turns)
            start = rows[0]["time"]
            moment = datetime.datetime.fromtimestamp(start / _MS, datetime.UTC)
            written = {
                "replay.json": {"version": _VERSION, "created": start / _MS, "data": turns},
                "metadata.json": {
                    "version": _VERSION,
                    "recordingId": session,
                    "recordingStart": start,
                    "recordingStartISO": moment.isoformat(),
                    "recordingEnd": rows[-1]["time"],
                    "timezoneOffsetMinutes": 0,
                    "user": rows[0]["contributor"],
                },
                "form.json": {
                    "annotator": rows[0]["contributor"],
                    "description": "",
                    "tasks": [],
                    "shortcode": session,
                    "upload_date": moment.date().isoformat(),
                },
            }
            for name, value in written.items():
                (folder / name).write_bytes(_ENCODER.encode(value))
                files += 1
    return files, items, left_out


def write_chrome_recorder(out: Path, target: Path) -> tuple[int, int, int]:
    """Write a script per session with pages; gives files, steps, and events that are no step."""
    files = items = left_out = 0
    for split in Split:
        (target / split.value).mkdir()
        for session, rows in _sessions(out, split):
            steps = [step for step in map(_step, rows) if step is not None]
            left_out += len(rows) - len(steps)
            opened = next((row for row in rows if row["kind"] == "page.open"), None)
            viewport = {
                "type": "setViewport",
                "width": max(1, (opened or {}).get("width") or 1280),
                "height": max(1, (opened or {}).get("height") or 800),
                "deviceScaleFactor": 1,
                "isMobile": False,
                "hasTouch": False,
                "isLandscape": True,
            }
            script = {"title": session, "steps": [viewport, *steps]}
            (target / split.value / f"{session}.json").write_bytes(_ENCODER.encode(script))
            files += 1
            items += len(steps)
    return files, items, left_out


def next_actions(out: Path, split: Split) -> Iterator[tuple[str, str]]:
    """Give what was to be seen and done before, and what was done then, for each action of a person on a page."""
    for _session, rows in _sessions(out, split):
        earlier: list[str] = []
        for turn in _turns(rows):
            if turn is None:
                continue
            action, outline = _told(turn), turn["state"]["outline"]
            if outline and turn["action"]["intent"] in _BY_HAND:
                url = turn["action"]["arguments"]["metadata"]["url"]
                before = "\n".join(earlier[-HISTORY:]) or "nothing"
                yield f"### Done\n\n{before}\n\n### Page\n\n{url}\n{_shown(outline)}", action
            earlier.append(action)


def _told(turn: Node) -> str:
    """Write an action as a line: what, on what, with what."""
    action = turn["action"]
    arguments = action["arguments"]
    element = arguments.get("element")
    words = [action["intent"]]
    if element is not None:
        attributes = element["attributes"]
        name = attributes["aria-label"] or element["textContent"]
        words += [attributes["role"] or element["tagName"].lower(), repr(name)]
    elif action["intent"] == "load":
        words.append(arguments["metadata"]["url"])
    value = arguments.get("text") or arguments.get("value")
    return " ".join([*words, *([repr(value)] if value else [])])


def _shown(outline: list[Node]) -> str:
    return "\n".join(
        f"{'  ' * node['depth']}{node['role']} {node['name']!r}{''.join(f' [{state}]' for state in node['states'])}"
        for node in outline
    )


def _sessions(out: Path, split: Split) -> Iterator[tuple[str, list[Row]]]:
    names = [field.name for field in schema_of("pages")]
    session: str | None = None
    rows: list[Row] = []
    for row in rows_of(out, "pages", names, split=split.value):
        if row["session"] != session:
            if session is not None:
                yield session, rows
            session, rows = row["session"], []
        rows.append(row)
    if session is not None:
        yield session, rows


def _turns(rows: list[Row]) -> Iterator[Node | None]:
    """Give a turn per event; the outline before it is what there was to see."""
    start, tab, tabs = rows[0]["time"], 0, {}
    observation: list[Node] = []
    viewport = (0, 0)
    for row in rows:
        if row["kind"] == "page.outline":
            observation = row["nodes"]
        if row["kind"] == "page.open":
            tabs[row["page"]] = row["tab"]
            viewport = (row["width"], row["height"])
        intent = _intent(row)
        before, tab = tab, tabs.get(row["page"], 0)
        if intent is None:
            yield None
            continue
        metadata = {
            "tabId": tab,
            "url": row["route"],
            "timestamp": row["time"],
            "viewportWidth": viewport[0],
            "viewportHeight": viewport[1],
            "zoomLevel": 1,
        }
        arguments: Node = {
            "metadata": metadata,
            "properties": {"url": row["route"], "tabId": tab, "tabIdOrigin": before},
        }
        arguments |= _arguments(intent, row)
        if row["box"]:
            arguments["element"] = _element(row)
            metadata |= {"mouseX": row["box"][0] + (row["x"] or 0), "mouseY": row["box"][1] + (row["y"] or 0)}
        yield {
            "type": "browser",
            "timestamp": (row["time"] - start) / _MS,
            "action": {"intent": intent, "arguments": arguments},
            "state": {"page": None, "screenshot": None, "screenshot_status": None, "outline": observation},
        }


def _intent(row: Row) -> str | None:
    if row["kind"] == "field.change":
        return "change" if row["content"] in {"choice", "toggle", "file"} else "textInput"
    if row["kind"] == "clipboard":
        return "paste" if row["action"] == "paste" else "copy"
    return _INTENTS.get(row["kind"])


def _arguments(intent: str, row: Row) -> Node:
    if intent == "textInput":
        return {"text": row["value"]}
    if intent == "change":
        return {"value": row["value"], "checked": row["checked"]}
    if intent == "scroll":
        return {"scrollX": row["x"], "scrollY": row["y"]}
    if intent in {"copy", "paste"}:
        return {"selected": "", "pasted": ""}
    return {}


def _element(row: Row) -> Node:
    x, y, width, height = row["box"]
    tag = (row["path"] or "").rpartition("/")[2].partition(":")[0]
    return {
        "tagName": tag.upper(),
        "textContent": row["name"] if row["name_from"] == "content" else "",
        "attributes": {"role": row["role"], "aria-label": row["name"] if row["name_from"] == "author" else ""},
        "bbox": {"x": x, "y": y, "width": width, "height": height, "left": x, "top": y, "right": x + width,
                 "bottom": y + height},
        "xpath": _xpath(row["path"] or ""),
    }  # fmt: skip


def _step(row: Row) -> Node | None:
    kind = row["kind"]
    if kind in {"page.open", "page.navigate"}:
        return {"type": "navigate", "url": row["route"]} if row["route"].startswith("http") else None
    if kind == "scroll":
        return {"type": "scroll", "x": row["x"], "y": row["y"]}
    selectors = _selectors(row)
    if not selectors:
        return None
    if kind == "pointer.click":
        double = row["count"] == 2
        return {
            "type": "doubleClick" if double else "click",
            "target": "main",
            "selectors": selectors,
            "offsetX": row["x"],
            "offsetY": row["y"],
            "button": ("primary", "auxiliary", "secondary", "back", "forward")[row["button"] or 0],
        }
    if kind == "field.change" and row["value"]:
        return {"type": "change", "target": "main", "selectors": selectors, "value": row["value"]}
    return None


def _selectors(row: Row) -> list[list[str]]:
    """Name an element by its name and role, and by its path; what is masked names nothing."""
    found: list[list[str]] = []
    name = row["name"] or ""
    if name and FILLER not in name:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        found.append([f'aria/{quoted}[role="{row["role"]}"]' if row["role"] else f"aria/{quoted}"])
    steps = (row["path"] or "").split("/")
    if all(_STEP.fullmatch(step) for step in steps):
        found.append([" > ".join(_STEP.sub(r"\1:nth-of-type(\2)", step) for step in steps)])
    return found


def _xpath(path: str) -> str:
    return "/" + "/".join(_STEP.sub(r"\1[\2]", step) for step in path.split("/")) if path else ""
