"""Values that are said to be secret: assigned to, compared with, or told beside a name that says so."""

from __future__ import annotations

import re
from typing import Any

import ahocorasick

from privacy_filter.detectors.base import SECRET, Hit
from privacy_filter.detectors.rules import name_rules
from privacy_filter.detectors.standins import is_stand_in, is_stand_in_encoded, is_stand_in_password, unquoted
from privacy_filter.detectors.values import (
    is_digest,
    is_hex,
    is_identifier,
    is_mixed,
    is_state,
    is_uuid,
    is_worded,
    looks_random,
    surely_random,
)
from privacy_filter.detectors.window import Window, compile_pattern

_PUBLIC = ("arn:", "LS0tLS1CRUdJTi", "ssh-rsa ", "ssh-ed25519 ")
"""Names of cloud resources, public keys, and blocks in base64, which are the credentials' layer's to judge."""

_BEFORE_SHORT = ("db", "user", "my", "admin", "root", "ftp", "ssh", "smtp", "mail", "o", "x", "basic", "http")
_GOES_ON = re.compile(r"key|token|secret|toke|url")
_VERB = re.compile(r"[ \t]+(?!is\b|was\b|=[ \t]|:|->|<-)")

_CALL = re.compile(r"[A-Za-z_$][\w$.:>\-]*\(")
_ATTRIBUTE = re.compile(r"""["'][ \t]+(?!value\b)[a-z\-]+[ \t]?=[ \t]?["']?\Z""")
"""Another attribute of the same element: what stands there is not the named one's value."""

_VARIABLE = re.compile(r"\A\$|\$[A-Z_]{2}")
"""What a shell or a template puts in; a person who chooses a password puts its sign behind something."""

_WEB_ADDRESS = re.compile(r"https?://[^\s@]*\Z")
_ADDRESS_PART = re.compile(r"[A-Za-z0-9_\-]{16,}")
_TEMPLATED = re.compile(r"\{\{[^{}\n]*\Z")
_SETTING = re.compile(r"[a-z][\w\-]*(?:\.[a-z][\w\-]*)+=")
"""A setting of its own, written as one text: ``server.port=8080``."""

_ADDRESS = re.compile(r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ][\d:]|\Z)")
_NEXT = re.compile(r"[,;&](?=[A-Za-z_][\w\- ]{0,30}[=:])")
"""Where another name begins within what follows an unquoted name."""

REACH = 2_400
"""How many characters after a name are looked at: tokens with claims in them have some 2,000."""

SHORT_NAME_CHARS = 4
"""Words so short are parts of others: pass, auth, seed, sas."""

MAX_NAME_CHARS = 80
"""No name is so long."""

NEAR = 100
"""How far from a name, on its line, a value may stand that is random beyond doubt."""

BEFORE = 96
"""How far before a name a value may stand that it is compared with."""

MIN_PASSWORD_CHARS = 4
MIN_PASSWORD_ALNUM = 3
"""Fewer letters and digits, and a value shows how signs are written."""

MIN_SENT_CHARS = 20
"""Keys in addresses; shorter ones may be names."""

MIN_SPOKEN_CHARS = 6
"""Prose goes on after the word "password" too: shorter words with a digit in them are common there."""

PASSWORD, TOKEN, KEY = "password", "token", "key"
"""The classes of names, by how much the value must prove; see rules/names.toml."""

_TAIL = rb"""[\w\-]{0,40}(?:\\?["'`\])]){0,2}"""
_BETWEEN = (
    rb"""(?:"""
    rb"""[ \t]{0,8}(?:=>|[:?]?=|===?|!==?|:|,|\(|->|<-|-|\|\|)[ \t]{0,8}"""
    rb"""|[ \t]{0,2}:[ \t]{0,2}[A-Za-z&][\w<>\[\]?*&., ]{0,30}=[ \t]{0,4}"""
    rb"""|[ \t][A-Za-z][\w\[\]*]{0,20}[ \t]{0,2}:?=[ \t]{0,4}"""
    rb"""|["']?[ \t]value[ \t]?=[ \t]?"""
    rb"""|\(?\)?[ \t]*(?:string[ \t]*)?\{?[ \t]*return[ \t]*"""
    rb"""|[ \t]{1,2}(?:is|ist|est|es|was|to|by|lautet)?[ \t:]{0,3}"""
    rb""")"""
)
_QUOTED = (
    _TAIL
    + _BETWEEN
    + rb"""(?:new )?(?:[A-Za-z_.]{1,24}\()?[@$brufLB]{0,2}"""
    + rb"""(?:\\?"([^"\n]+)|\\?'([^'\n]+)|`([^`\n]+))"""
)
_BARE = (
    _TAIL
    + rb"""((?:[ \t]{0,8}(?:=>|[:?]?=|:|>|\|)[ \t]{0,8})|[ \t]+(?:is|ist|est|es|lautet)[: \t][ \t]*|[ \t]{1,3})"""
    + rb"""((?:Bearer|Basic|Token|bearer|token) +)?([^\s"'`<>]{4,})"""
)
_BLOCK = (
    _TAIL
    + rb"""[ \t]*[:=][ \t]*(?:[|>][+-]?|[brf]{0,2}\"{3}|[brf]{0,2}'{3}|\"{3}\\)[ \t]*\r?\n[ \t]*"""
    + rb"""([^\s"'`]{8,}(?:\r?\n[ \t]*[A-Za-z0-9+/=_\-]{12,})*)"""
)
"""A value on the lines below its name: a block of YAML, a text over several lines."""

_NEARBY = rb"""[A-Za-z0-9_+/=.~\-]{20,600}"""
_COMPARED = re.compile(r"""(?:"([^"\n]{6,64})"|'([^'\n]{6,64})')\s?[!=]={1,2}\s?[\w.]*$""")
_OPEN_ENDS = ",;)]}"
_STRONG_SIGNS = frozenset("!@#$%^&*?~+=")
MIN_BEGUN_CHARS = 8
MAX_HEX_WORD_CHARS = 14
_BEGUN = re.compile(r"[A-Za-z0-9_~+=!@#$%^&*\-]+")

_NUMBERED = re.compile(r"[\^~<>=v]{0,3}\d+(?:\.[\dx*]+)+|\$\w+\Z|%\w+%\Z")
"""Versions and references to variables, which mix signs and digits too."""


class AssignmentLayer:
    """Names of secrets behind one prefilter, and what stands beside them."""

    def __init__(self) -> None:
        rules = name_rules()
        self._automaton: Any = ahocorasick.Automaton()
        for strength, words in ((KEY, rules.names.key), (TOKEN, rules.names.token), (PASSWORD, rules.names.password)):
            for word in words:
                self._automaton.add_word(word, (len(word), strength))
        self._automaton.make_automaton()
        self._not_names = rules.names.excluded.endings
        self._quoted: Any = compile_pattern(_QUOTED)
        self._bare: Any = compile_pattern(_BARE)
        self._block: Any = compile_pattern(_BLOCK)
        self._nearby: Any = compile_pattern(_NEARBY)

    def find(self, window: Window, hits: list[Hit]) -> None:
        """Add the values of secret-sounding names in a window."""
        done: set[int] = set()
        for last, (length, strength) in self._automaton.iter(window.low):
            start, end = last + 1 - length, last + 1
            if not self._names_secret(window, start, end):
                continue
            for hit in (self._after(window, end, strength), self._before(window, start, strength)):
                if hit is not None and hit.start not in done:
                    done.add(hit.start)
                    hits.append(hit)

    def _names_secret(self, window: Window, start: int, end: int) -> bool:
        """Say whether the whole name, of which a word was found, is one of a secret."""
        low = window.low
        if end - start <= SHORT_NAME_CHARS and _is_other_word(window, start, end):
            return False
        if low.endswith("public ", 0, start):
            return False
        while start > 0 and end - start < BEFORE and (low[start - 1].isalnum() or low[start - 1] in "_-"):
            start -= 1
        while end < len(low) and (low[end].isalnum() or low[end] in "_-"):
            end += 1
        if low[max(start - 2, 0) : start] == "::" and low[end : end + 2] in {'":', "':"}:
            return False  # a map with types for its keys, such as those of cloud resources
        if end - start > MAX_NAME_CHARS or (low[start - 1 : start] == ":" == low[end : end + 1]):
            return False  # a part of something long and random; a part of the name of a cloud resource
        return not low[start:end].endswith(self._not_names)

    def _after(self, window: Window, at: int, strength: str) -> Hit | None:
        piece = window.raw[at : at + REACH]
        match = self._quoted.match(piece)
        if match is not None:
            start, end = next(match.span(group) for group in (1, 2, 3) if match.group(group) is not None)
            value = window.text[at + start : at + end].rstrip("\\ ")
            between = window.text[at : at + start]
            if _ATTRIBUTE.search(between):
                return None
            if _is_secret(value, strength, window, quoted=True):
                return _hit(at + start, at + start + len(value), strength)
            return None
        match = self._block.match(piece)
        if match is not None:
            start, end = at + match.start(1), at + match.end(1)
            first = window.text[start:end].partition("\n")[0].rstrip("\r")
            secret = _is_secret(first, strength, window, quoted=False)
            return _hit(start, end, strength) if secret else None
        match = self._bare.match(piece)
        if match is not None:
            hit = self._bare_hit(window, at, strength, match)
            if hit is not None:
                return hit
        return None if strength == KEY else self._near_hit(window, at)

    def _bare_hit(self, window: Window, at: int, strength: str, match: Any) -> Hit | None:
        start, end = at + match.start(3), at + match.end(3)
        value = _NEXT.split(window.text[start:end], maxsplit=1)[0].rstrip(_OPEN_ENDS)
        between = match.group(1).strip(b" \t:")
        spoken = match.group(2) is None and (between == b"" or between.isalpha()) and b":" not in match.group(1)
        if not value or value[0] in "([{\\" or (any(sign in value for sign in "([{") and not looks_random(value)):
            return None
        if "$" in value and not looks_random(value) and (strength != PASSWORD or _VARIABLE.search(value)):
            return None
        if is_identifier(value) and window.text[start + len(value) : start + len(value) + 1] in {"(", "[", "."}:
            return None
        if _CALL.match(value) or (spoken and window.whole_file and _is_name(value)):
            return None
        if b"|" in match.group(1) and _TEMPLATED.search(window.text, max(at - BEFORE, 0), at):
            return None
        if spoken and not _is_spoken_secret(value, strength):
            return None
        if _is_sent(window, at, start, value):
            stand_in = is_stand_in_password(value, whole_file=window.whole_file)
            known = strength != PASSWORD and not (looks_random(value) and len(value) >= MIN_SENT_CHARS)
            return None if known or stand_in else _hit(start, start + len(value), strength)
        return _hit(start, start + len(value), strength) if _is_secret(value, strength, window, quoted=False) else None

    def _near_hit(self, window: Window, at: int) -> Hit | None:
        """Look for a value on the rest of the line that needs no more than the name's company."""
        line_end = window.text.find("\n", at)
        piece = window.raw[at : min(at + NEAR, line_end if line_end >= 0 else len(window.text))]
        for match in self._nearby.finditer(piece):
            value = window.text[at + match.start() : at + match.end()]
            if window.whole_file and is_stand_in_encoded(value):
                continue
            if "/" not in value and surely_random(value) and not is_stand_in(value) and not _is_public(value, piece):
                return _hit(at + match.start(), at + match.end(), TOKEN)
        return None

    def _before(self, window: Window, at: int, strength: str) -> Hit | None:
        """Look for a value that the name is compared with."""
        before = window.text[max(at - BEFORE, 0) : at]
        if "==" not in before[-24:] and "!=" not in before[-24:]:
            return None
        match = _COMPARED.search(before)
        if match is None:
            return None
        group = 1 if match.group(1) is not None else 2
        if not _is_secret(match.group(group), strength, window, quoted=True):
            return None
        base = max(at - BEFORE, 0)
        return _hit(base + match.start(group), base + match.end(group), PASSWORD)


def _is_secret(value: str, strength: str, window: Window, *, quoted: bool) -> bool:
    if window.whole_file and is_stand_in_encoded(value):
        return False
    if _SETTING.match(value) or (strength != PASSWORD and _is_plain_address(value)):
        return False
    if strength == PASSWORD:
        if is_stand_in_password(value, whole_file=window.whole_file):
            return False
        return _is_password(value, quoted=quoted) or (not window.whole_file and _is_begun(value, quoted=quoted))
    if is_stand_in(value) or value.startswith(_PUBLIC) or (value[0] == "/" and not surely_random(value[1:])):
        return False
    if strength == TOKEN:
        return _is_token(value, quoted=quoted) or (not window.whole_file and _is_begun(value, quoted=quoted))
    return surely_random(value) and not is_uuid(value) and not is_state(value)


def _is_name(value: str) -> bool:
    """Say whether a value is a name in a program, of several words, of which the last may have a number."""
    name = value.rstrip("0123456789")
    joined = "_" in name or (not name.isupper() and any(map(str.isupper, name[1:])))
    return joined and len(value) - len(name) <= 2 and name.replace("_", "").isalpha() and is_worded(name)


def _is_plain_address(value: str) -> bool:
    """Say whether a value is an address of the web in which nothing random stands: digests name public things."""
    if _WEB_ADDRESS.match(value) is None:
        return False
    parts = _ADDRESS_PART.findall(value.partition("://")[2])
    return not any(looks_random(part) and not is_digest(part) for part in parts)


def _is_sent(window: Window, at: int, start: int, value: str) -> bool:
    """Say whether a name, up to ``at``, and its value stand in the query of an address or in the body of a form."""
    if window.text[at:start] != "=":
        return False
    while at > 0 and (window.text[at - 1].isalnum() or window.text[at - 1] in "_-[]"):
        at -= 1
    return window.text[at - 1 : at] in {"?", "&"} or window.text[start + len(value) : start + len(value) + 1] == "&"


def _is_token(value: str, *, quoted: bool) -> bool:
    if looks_random(value):
        return quoted or not is_identifier(value)
    strong = any(sign in _STRONG_SIGNS for sign in value) and any(map(str.isdigit, value)) and value.isascii()
    return quoted and len(value) >= 10 and strong and not any(map(str.isspace, value)) and not _NUMBERED.match(value)


def _is_begun(value: str, *, quoted: bool) -> bool:
    """Say whether what somebody writes to a secret's name is no word and no name: it may not be finished yet."""
    if len(value) < MIN_BEGUN_CHARS or not _BEGUN.fullmatch(value) or _NUMBERED.match(value):
        return False
    if not is_worded(value) or (is_hex(value) and len(value) > MAX_HEX_WORD_CHARS):
        return True
    digits = any(map(str.isdigit, value))
    return digits and (not is_identifier(value) or (quoted and value.lower() != value))


def _is_password(value: str, *, quoted: bool) -> bool:
    value = unquoted(value.strip())
    if sum(map(str.isalnum, value)) < MIN_PASSWORD_ALNUM:
        return False
    if len(value) < MIN_PASSWORD_CHARS or any(map(str.isspace, value)) or _NUMBERED.match(value):
        return False
    if _ADDRESS.fullmatch(value) or _DATE.match(value):
        return False
    if value[0] in "/.<" or value.startswith(("http://", "https://", "--")) or value.endswith(":"):
        return False
    strong = any(map(str.isdigit, value)) or (quoted and any(sign in _STRONG_SIGNS for sign in value))
    return (is_mixed(value) and strong) or looks_random(value)


def _is_spoken_secret(value: str, strength: str) -> bool:
    """Say whether a value after a mere blank is one."""
    if strength == PASSWORD:
        mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
        return mixed and len(value) >= MIN_SPOKEN_CHARS
    return looks_random(value) and len(value) >= 16


def _is_other_word(window: Window, start: int, end: int) -> bool:
    """Say whether a short word is only a part of a longer one (compass, author), or the verb "to pass"."""
    text, word = window.text, window.low[start:end]
    before, after = text[start - 1 : start], text[end : end + 1]
    if word == "sas" and (before.isalnum() or (after.isalnum() and not _GOES_ON.match(window.low, end))):
        return True
    head = before.isalpha() and not (text[start].isupper() and before.islower())
    known = window.low[max(start - 5, 0) : start].endswith(_BEFORE_SHORT)
    goes_on = after.isalpha() and (after.islower() or text[start:end].isupper())
    if (head and not known) or (goes_on and not _GOES_ON.match(window.low, end)):
        return True
    return word == "pass" and not before.isalnum() and before != "_" and _VERB.match(text, end) is not None


def _is_public(value: str, piece: bytes) -> bool:
    return is_digest(value.rpartition("=")[2]) or any(word in piece for word in (b"sha", b"md5", b"hash", b"digest"))


def _hit(start: int, end: int, strength: str) -> Hit:
    if strength == PASSWORD:
        return Hit(start, end, SECRET, "password", guessable=True)
    return Hit(start, end, SECRET, "assigned-secret")
