"""Planted strings: a real browser with the real extension goes through a page, then everything kept is searched.

    python -m benchmarks.canaries --browser chromium [--page FILE --canaries FILE]

At each level (``rhythm``, ``shape``, ``content``) a study of the page's site is made and joined, the browser is started
with the built extension, consent is given by clicks, and the page is used with real key presses. Then every planted
string is looked for in all that the device holds (every event as the person sees it, pending ones too; every file of
overt, the extension's own storage, logs), and in every event that the receiver got, opened with the study's key. The
last line is one JSON object: ``leaked`` are canaries found below level ``content``; it must be empty.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.browser_hands import ChromiumHands, Hands
from benchmarks.browsers import chromium
from benchmarks.canary_page import Canaries, SecretField, act, is_of_secret, read_canaries, serve_page
from benchmarks.web_house import WebHouse

LEVELS = ("rhythm", "shape", "content")
HERE = Path(__file__).parents[1] / "tests" / "data" / "canaries"
STARTED_S = 60.0
"""From opening the page until its first event is kept: the browser starts the bridge."""

SETTLED_S = 4.0
"""After the last step: batches leave every two seconds."""

OF_EXTENSIONS = ("chrome-extension", "Extension", "moz-extension", "storage-sync", "extension-store")
"""Parts of paths in a browser's profile under which extensions keep things; the page's own storage is the page's."""

NEVER = """
hidden_input data_attr href_token mailto_href option_value submit_value url_path_secret url_query_token url_hash
spa_path spa_query_jwt spa_query_other masked_region masked_child blocked_region input_in_blocked
masked_host_shadow_text
"""
"""Canaries of the shipped page that no level allows: of addresses, attributes, hidden values, private regions."""


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.canaries", description="Search for planted strings.")
    parser.add_argument("--browser", choices=("chromium", "firefox"), default="chromium")
    parser.add_argument("--page", type=Path, default=HERE / "page.html", help="the page")
    parser.add_argument("--canaries", type=Path, default=HERE / "canaries.json", help="what to do with it")
    parser.add_argument("--levels", nargs="*", choices=LEVELS, default=LEVELS)
    options = parser.parse_args()
    result = asyncio.run(
        run(options.browser, options.page.read_bytes(), read_canaries(options.canaries), options.levels)
    )
    print(json.dumps(result))
    raise SystemExit(1 if result["leaked"] or result["secret_field_events"] else 0)


async def run(browser: str, page: bytes, canaries: Canaries, levels: Iterable[str]) -> dict[str, Any]:
    """Go through the page at every level; gives the result."""
    found: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    secret_events = 0
    for level in levels:
        with tempfile.TemporaryDirectory(prefix="overt-canaries-") as folder:
            seen = await one_level(browser, Path(folder), page, canaries, level)
        found[level] = sorted(name for name, places in seen["places"].items() if places)
        counts[level] = seen["events"]
        secret_events += seen["secret_field_events"]
        print(level, json.dumps(seen), file=sys.stderr)
    below = {name for level, names in found.items() if level != "content" for name in names}
    secret = {each.name for each in canaries.typed if each.secret_field}
    return {
        "leaked": sorted(below),
        "of": len(canaries.strings),
        "secret_field_events": secret_events,
        "at_content": found.get("content", []),
        "at_content_never": sorted((secret | set(canaries.never or NEVER.split())) & set(found.get("content", []))),
        "events": counts,
        "browser": browser,
    }


async def one_level(browser: str, folder: Path, page: bytes, canaries: Canaries, level: str) -> dict[str, Any]:
    """Make a house, use the page in the browser, and search."""
    house = WebHouse(folder)
    with serve_page(page, canaries.files) as origin:
        await house.found_web_study([origin], level, secret_fields=canaries.secret_fields)
        await house.join()
        house.introduce(browser)
        try:
            storage, secrets = await use_page(browser, house, origin, canaries)
            await house.stop_bridge()
            kept = await house.kept()
            await house.start_receiver()
            await house.sync()
            uploaded = [msgspec.json.encode(event) for event in house.uploaded()]
        finally:
            await house.stop_bridge()
            await house.close()
    places = {
        "kept": [msgspec.json.encode(kept)],
        "uploaded": uploaded,
        "storage": [storage.encode()],
        "files": contents(house.person),
        "extension": contents(folder / "user", only=OF_EXTENSIONS),
    }
    return {
        "places": search(canaries.strings, places),
        "events": len(uploaded),
        "kept": len(kept),
        "secret_field_events": sum(is_of_secret(event, secrets) for event in kept),
    }


async def use_page(browser: str, house: WebHouse, origin: str, canaries: Canaries) -> tuple[str, list[SecretField]]:
    """Do everything with the page; gives what the extension itself keeps, as JSON, and the secret fields."""
    if browser == "firefox":
        from benchmarks.firefox import firefox  # noqa: PLC0415 - its driver is not for Chromium's users

        async with firefox(house.user, environment=house.browser_environment) as running:
            await running.consent([origin])
            hands = await running.open(origin + canaries.url_path)
            secrets = await _use(hands, canaries)
            return await running.storage(), secrets
    async with chromium(house.user, [origin], environment=house.browser_environment) as running:
        await running.consent([origin])
        tab = await running.context.new_page()
        await tab.goto(origin + canaries.url_path)
        secrets = await _use(ChromiumHands(tab), canaries)
        return await running.storage(), secrets


async def _use(hands: Hands, canaries: Canaries) -> list[SecretField]:
    """Wait until the page is captured, then do what the file says."""
    async with asyncio.timeout(STARTED_S):
        while not await hands.is_captured():
            await asyncio.sleep(0.1)
    secrets = await act(hands, canaries)
    await asyncio.sleep(SETTLED_S)
    return secrets


def search(strings: Mapping[str, str], places: Mapping[str, Iterable[bytes]]) -> dict[str, list[str]]:
    """Say for each string in which places it was found, as bytes in UTF-8 or UTF-16, in any case."""
    lowered = {place: [data.lower() for data in blobs] for place, blobs in places.items()}
    return {
        name: sorted(
            place
            for place, blobs in lowered.items()
            if any(needle in data for data in blobs for needle in _spellings(value))
        )
        for name, value in strings.items()
    }


def _spellings(value: str) -> tuple[bytes, ...]:
    low = value.lower()
    return (low.encode(), low.encode("utf-16-le"), json.dumps(low)[1:-1].encode())


def contents(folder: Path, only: tuple[str, ...] = ()) -> list[bytes]:
    """Read every file below a folder; ``only`` those with one of these in their path."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path.read_bytes() for path in files if not only or any(part in str(path) for part in only)]


if __name__ == "__main__":
    main()
