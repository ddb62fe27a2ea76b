"""Secrets and personal data that are none, planted where a filter must find them, and the truth about where."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

import msgspec

from overt.demo.secrets import aws_access_key, email_address

_LETTERS = string.ascii_letters + string.digits
_SIGNS = "!$%+-_?"
_IBAN_BANKS = ("37040044", "50010517", "10000000")


class Plant(msgspec.Struct, frozen=True):
    """One planted value: how it stands in a line of code or text, and how it came there."""

    kind: str
    value: str
    line: str
    how: str
    """``typed`` key by key with slips, ``pasted``, in ``halves`` with other work in between, or ``initial``."""


class Truth(msgspec.Struct, frozen=True):
    """A line of the truth file: what was planted, where, when and by whom."""

    person: int
    session: int
    start_ms: int
    where: str
    kind: str
    value: str
    how: str


def github_token(source: random.Random) -> str:
    """Make a string in the form of a GitHub token."""
    return "ghp_" + "".join(source.choices(_LETTERS, k=36))


def password(source: random.Random) -> str:
    """Make a password that no word list has."""
    letters = source.choices(string.ascii_letters, k=7) + source.choices(string.digits, k=3) + [source.choice(_SIGNS)]
    source.shuffle(letters)
    return "Q" + "".join(letters)


def iban(source: random.Random) -> str:
    """Make a German account number with check digits that hold (ISO 13616)."""
    account = source.choice(_IBAN_BANKS) + "".join(source.choices(string.digits, k=10))
    check = 98 - int(account + "131400") % 97
    return f"DE{check:02d}{account}"


def phone(source: random.Random) -> str:
    """Make a number of a German mobile network, in international form."""
    return f"+49 151 {source.randint(10000000, 99999999)}"


_MAKERS: tuple[tuple[str, Callable[[random.Random], str], str], ...] = (
    ("aws-access-key", aws_access_key, 'ACCESS_KEY_ID = "{}"'),
    ("github-token", github_token, 'TOKEN = "{}"'),
    ("password", password, 'password = "{}"'),
    ("email", email_address, "# ask {} about this"),
    ("iban", iban, "# the account is {}"),
    ("phone", phone, "# call {} before a release"),
)
HOW = ("typed", "typed", "pasted", "halves", "initial")


def make_plant(source: random.Random) -> Plant:
    """Make one."""
    kind, maker, line = source.choice(_MAKERS)
    value = maker(source)
    return Plant(kind, value, line.format(value), source.choice(HOW))
