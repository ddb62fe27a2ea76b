"""Secrets that are none: made up at each run, in the form of real ones, so that no file of ours holds one."""

from __future__ import annotations

import random
import string

SLIPS = 0.08
"""How often a wrong key is hit first, and taken back."""


def aws_access_key(source: random.Random) -> str:
    """Make a string in the form of an AWS access key id: ``AKIA`` and 16 letters or digits 2 to 7 (base32)."""
    return "AKIA" + "".join(source.choices(string.ascii_uppercase + "234567", k=16))


def email_address(source: random.Random) -> str:
    """Make an e-mail address of a person and a domain that no one has: nothing is ever sent to it."""
    name, domain = ("".join(source.choices(string.ascii_lowercase, k=length)) for length in (6, 12))
    return f"{name}.{source.choice(['jones', 'meyer', 'rossi'])}@{domain}.net"


def typed_key_by_key(text: str, source: random.Random) -> list[tuple[int, int, str]]:
    """Give the patches of someone typing a text at offset 0, with a slip now and then that is taken back."""
    patches: list[tuple[int, int, str]] = []
    for at, character in enumerate(text):
        if source.random() < SLIPS:
            patches += [(at, 0, "x"), (at, 1, "")]
        patches.append((at, 0, character))
    return patches
