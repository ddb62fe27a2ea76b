"""Personal data that proves itself: a form, and a check digit, a registry or a word beside it."""

from __future__ import annotations

import re
from typing import Any

from privacy_filter.detectors.base import PII, Hit
from privacy_filter.detectors.window import Window, compile_pattern

NEAR = 40
"""How many characters before a number a word may stand that says what the number is."""

_EMAIL = (
    rb"""[A-Za-z0-9_%+\-\xc0-\xff][A-Za-z0-9._%+'\-\xc0-\xff]{0,63}@"""
    rb"""(?:[A-Za-z0-9\xc0-\xff](?:[A-Za-z0-9\-\xc0-\xff]{0,62})\.){1,6}[A-Za-z\xc0-\xff]{2,24}"""
)
_NUMBER = rb"""(?:\+|\(|\b)[0-9][0-9 ().\-/]{5,28}[0-9]\b"""
_CARD = (
    rb"""\b(?:[0-9]{4}[ \-](?:[0-9]{4}[ \-]){2}(?:[0-9]{4}[ \-][0-9]{3}|[0-9]{1,7})"""
    rb"""|[0-9]{4}[ \-][0-9]{6}[ \-][0-9]{4,5}|[0-9]{4}(?:[ \-][0-9]{3}){3}|[0-9]{13,19})\b"""
)
_IBAN = rb"""(?i)\b[A-Z]{2}[0-9]{2}(?:[ \-]?[A-Z0-9]{4}){2,7}(?:[ \-]?[A-Z0-9]{1,3})?\b"""
_IPV4 = rb"""\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b"""
_IPV6 = rb"""(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{1,4})\b"""
_MAC = (
    rb"""\b(?:[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}"""
    rb"""|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})\b"""
)
_HOME = rb"""(?:/home/|/Users/|[A-Za-z]:\\{1,2}Users\\{1,2})([A-Za-z][A-Za-z0-9._\-]{1,31})"""

_ROLES = frozenset({"git", "noreply", "no-reply", "actions"})
_NOBODY_LOCAL = frozenset(
    {
        "test",
        "user",
        "you",
        "me",
        "foo",
        "bar",
        "name",
        "username",
        "email",
        "your",
        "someone",
        "somebody",
        "first.last",
    }
)
_NOBODYS_DOMAIN = re.compile(
    r"(?:your|my|some|the)?-?(?:domain|company|mail|email|host|site|server|foo|bar|org|place)\.[a-z]+"
)
"""Placeholders on both sides of the sign are nobody's; at a domain of one's own even "me" is somebody."""

_NOBODY_DOMAIN = ("example.com", "example.org", "example.net", "example", "test", "localhost", "invalid", "local")
_NOBODY_HOME = frozenset(
    {
        "user",
        "username",
        "me",
        "you",
        "name",
        "runner",
        "ubuntu",
        "root",
        "vscode",
        "node",
        "app",
        "dev",
        "circleci",
        "shared",
        "public",
        "default",
        "git",
        "jovyan",
        "linuxbrew",
        "foo",
        "bar",
        "test",
        "admin",
    }
)
_PHONE_WORDS = re.compile(
    r"(?:\b|_)(?:tele?(?:phone|fon)?|phone|mobile?|mobil|fax|handy|cell|sms|whatsapp|dial)"
    r"(?:[ _]?(?:number|nummer|no|nr|num))?[\"']?\.? ?(?:[:=]|is|ist|at)? ?[\"'(]{0,2}$"
)
_NUMBER_WORDS = re.compile(r"\b(?:number|nummer|num[eé]ro|n[uú]mero|call|ring|reach|ruf|rufen)\b[^\n]{0,16}$")
_REGIONS = ("US", "DE", "GB", "FR", "IN", "IT", "ES", "NL", "PL", "BR", "JP", "CN", "AU", "IL", "SE", "CH")
"""Whose ways of writing a number at home are tried, where a word says that it is one."""

_NUMBERING = re.compile(
    r"version|assembly|rfc|section|§|chapter|\bdns\b|\bver\b|[=<>~^]=|[\w.\-]$|release|specifier|\boid\b|objectid"
)
"""What numbers things in the form of an address."""
_CARD_FORM = re.compile(
    r"(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1(?:\d{4}\1\d{3}|\d{1,7})"
    r"|\d{4}([ -])(?:\d{6}\2\d{4,5}|\d{3}\2\d{3}\2\d{3}))"
)
_OPERATORS = frozenset("+*/^")
"""Before a long number these make it a term, not a card."""

_DECIMAL = re.compile(r"\+?\d+\.\d+")
_SSN_WORDS = re.compile(r"ssn|social")
MIN_IBAN_DIGITS = 8
_UATP_DIGITS = 15
"""Cards of the airlines begin with a 1, as times in milliseconds do, which have 13 digits."""

_CARD_FIRST = (
    "4",
    "51",
    "52",
    "53",
    "54",
    "55",
    "2",
    "34",
    "37",
    "36",
    "38",
    "30",
    "6",
    "35",
    "50",
    "56",
    "57",
    "58",
    "9792",
    "81",
)


class PersonalLayer:
    """E-mail, phone, bank account, card, national id, network and machine addresses, names in home folders."""

    def __init__(self) -> None:
        self._email: Any = compile_pattern(_EMAIL)
        self._number: Any = compile_pattern(_NUMBER)
        self._card: Any = compile_pattern(_CARD)
        self._iban: Any = compile_pattern(_IBAN)
        self._ipv4: Any = compile_pattern(_IPV4)
        self._ipv6: Any = compile_pattern(_IPV6)
        self._mac: Any = compile_pattern(_MAC)
        self._home: Any = compile_pattern(_HOME)

    def find(self, window: Window, hits: list[Hit]) -> None:
        """Add the personal data in a window."""
        text = window.text
        if "@" in text:
            self._emails(window, hits)
        if "/home/" in text or "Users" in text:
            for match in self._home.finditer(window.raw):
                name = match.group(1).decode("latin-1")
                if name.lower() not in _NOBODY_HOME:
                    hits.append(_hit(match.span(1), "user-name"))
        for match in self._number.finditer(window.raw):
            start, end = match.span()
            start += text[start] == "(" and ")" not in text[start:end]
            kind = None if _joins(window, start) else _number_kind(window, start, end)
            if kind is not None:
                hits.append(_hit((start, end), kind))
        self._checked(window, self._card, "payment-card", _is_card_form, hits)
        if text.count(".") >= 3:
            self._checked(window, self._ipv4, "ip-address", _is_personal_ipv4, hits)
        if text.count(":") >= 2:
            self._checked(window, self._ipv6, "ip-address", _is_personal_ipv6, hits)
        if text.count(":") >= 5 or text.count("-") >= 5 or text.count(".") >= 2:
            self._checked(window, self._mac, "mac-address", _is_mac, hits)
        for match in self._iban.finditer(window.raw):
            start, end = match.span()
            # A word that follows may look like one more group of four.
            while end > start and not _is_iban(window, start, end):
                end = max(window.text.rfind(" ", start, end), window.text.rfind("-", start, end))
            if end > start:
                hits.append(_hit((start, end), "iban"))

    def _emails(self, window: Window, hits: list[Hit]) -> None:
        for match in self._email.finditer(window.raw):
            start, end = match.span()
            if not _is_nobody(window.low[start:end], window.text[end : end + 1]):
                hits.append(Hit(start, end, PII, "email"))

    @staticmethod
    def _checked(window: Window, pattern: Any, kind: str, check: Any, hits: list[Hit]) -> None:
        spans = [match.span() for match in pattern.finditer(window.raw)]
        hits += [_hit(span, kind) for span in spans if check(window, *span)]


def _hit(span: tuple[int, int], kind: str) -> Hit:
    return Hit(span[0], span[1], PII, kind, guessable=True)


def _is_nobody(address: str, following: str) -> bool:
    local, _, domain = address.partition("@")
    if local in _ROLES or following == ":":
        return True
    if local in _NOBODY_LOCAL and _NOBODYS_DOMAIN.fullmatch(domain):
        return True
    return domain in _NOBODY_DOMAIN or domain.endswith(tuple("." + name for name in _NOBODY_DOMAIN))


def _is_card_form(window: Window, start: int, end: int) -> bool:
    value = window.text[start:end]
    if _CARD_FORM.fullmatch(value) is None or not _is_card("".join(filter(str.isdigit, value))):
        return False
    return not _joins(window, start) and window.text[:start].rstrip()[-1:] not in _OPERATORS


def _joins(window: Window, start: int) -> bool:
    """Say whether what stands before a number makes it a part of something else."""
    before = window.text[start - 1 : start]
    return before.isalnum() or (before != "" and before in "._-#$")


def _number_kind(window: Window, start: int, end: int) -> str | None:
    value = window.text[start:end]
    digits = "".join(filter(str.isdigit, value))
    before = window.low[max(start - NEAR, 0) : start]
    if re.fullmatch(r"\d{3}([- ])\d{2}\1\d{4}", value) and _is_ssn(digits):
        return "us-ssn"
    if len(digits) == 9 and _SSN_WORDS.search(before) and _is_ssn(digits):
        return "us-ssn"
    if 7 <= len(digits) <= 15 and _is_phone(value, before):
        return "phone"
    return None


def _is_card(digits: str) -> bool:
    if not digits.startswith(_CARD_FIRST) and not (digits[0] == "1" and len(digits) == _UATP_DIGITS):
        return False
    if len(set(digits)) < 2:
        return False
    total = sum(sum(divmod(int(sign) * (2 - at % 2), 10)) for at, sign in enumerate(reversed(digits), 1))
    return total % 10 == 0


def _is_ssn(digits: str) -> bool:
    """Say whether an area, group and serial number were ever given out (SSA rules before and after 2011)."""
    return digits[:3] not in {"000", "666"} and digits[3:5] != "00" and digits[5:] != "0000"


def _is_phone(value: str, before: str) -> bool:
    import phonenumbers  # noqa: PLC0415 - 40 ms that are only spent where something looks like a number

    said = _PHONE_WORDS.search(before) is not None or (value[0] in "0(" and _NUMBER_WORDS.search(before) is not None)
    shaped = re.fullmatch(r"\(?[2-9]\d{2}\)?[ .\-][2-9]\d{2}[.\- ]\d{4}", value) is not None
    if not (value[0] == "+" or said or shaped) or _DECIMAL.fullmatch(value):
        return False
    regions = (None,) if value[0] == "+" else _REGIONS if said else ("US",)
    if value.startswith("00") and not value.startswith("000"):
        value, regions = "+" + value[2:], (None,)
    for region in regions:
        try:
            number = phonenumbers.parse(value, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            return True
    return False


def _is_iban(window: Window, start: int, end: int) -> bool:
    from stdnum import iban  # noqa: PLC0415 - as above

    value = window.text[start:end]
    return sum(map(str.isdigit, value)) >= MIN_IBAN_DIGITS and bool(iban.is_valid(value, check_country=False))


def _is_personal_ipv4(window: Window, start: int, end: int) -> bool:
    import ipaddress  # noqa: PLC0415 - only where something looks like an address

    beside = window.low[max(start - 24, 0) : start]
    if _NUMBERING.search(beside):
        return False
    if window.text[end : end + 1] in {".", "-"} and window.text[end + 1 : end + 2].isdigit():
        return False
    try:
        return ipaddress.ip_address(window.text[start:end]).is_global and window.text[start:end] not in {
            "8.8.8.8",
            "8.8.4.4",
            "1.1.1.1",
            "9.9.9.9",
        }
    except ValueError:
        return False


def _is_personal_ipv6(window: Window, start: int, end: int) -> bool:
    import ipaddress  # noqa: PLC0415 - only where something looks like an address

    value = window.text[start:end]
    if start and (window.text[start - 1].isalnum() or window.text[start - 1] in ":_"):
        return False
    if len(value) < 8 or not any(map(str.isdigit, value)):
        return False
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _is_mac(window: Window, start: int, end: int) -> bool:
    value = window.low[start:end]
    if (start and window.text[start - 1] in ":-._") or window.text[end : end + 1] in {":", "-"}:
        return False
    return len(set(value)) > 3 or "aabb" in value.replace(":", "").replace("-", "")
