"""The rules as data: read once, when something is first looked for."""

from __future__ import annotations

import tomllib
from functools import cache, cached_property
from importlib import resources
from typing import TypeVar

import msgspec

from event_model.errors import FormatError


class TokenRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider's token: how it begins, and what may follow. See rules/README.md."""

    kind: str
    prefixes: tuple[str, ...]
    body: str
    min: int
    max: int | None = None
    weak: bool = False
    begun: int | None = None


class NotNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names that only sound as if they held a secret."""

    endings: tuple[str, ...]


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"excluded": "not"}):
    """Words in the names of secrets, by how much the value must prove."""

    password: tuple[str, ...]
    token: tuple[str, ...]
    key: tuple[str, ...]
    excluded: NotNames


class Values(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values that stand where a secret would."""

    placeholders: frozenset[str]
    parts: tuple[str, ...]
    vocabulary: frozenset[str]
    published: frozenset[str]


class Words(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True):
    """What tells words from random letters."""

    follows: str

    @cached_property
    def pairs(self) -> dict[str, int]:
        """How much a pair of letters speaks for a word, 0 to 9."""
        letters = "abcdefghijklmnopqrstuvwxyz"
        rows = self.follows.split()
        return {a + b: int(rows[x][y]) for x, a in enumerate(letters) for y, b in enumerate(letters)}


class NameRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file names.toml."""

    names: Names
    values: Values
    words: Words


class ServiceRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file services.toml: names, and those that are words of the language too, between blanks."""

    names: str
    words: str


class IdRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A national number: its written form, the python-stdnum module that checks it, words that must stand before.

    ``fill``: the length to which zeros are put before it, where people leave them out.
    """

    kind: str
    pattern: str
    check: str | None = None
    words: tuple[str, ...] = ()
    fill: int = 0


class _IdFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: tuple[IdRule, ...]


class _TokenFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rule: tuple[TokenRule, ...]


@cache
def token_rules() -> tuple[TokenRule, ...]:
    """Read rules/tokens.toml."""
    return _read("tokens.toml", _TokenFile).rule


@cache
def id_rules() -> tuple[IdRule, ...]:
    """Read rules/ids.toml."""
    return _read("ids.toml", _IdFile).id


@cache
def name_rules() -> NameRules:
    """Read rules/names.toml."""
    return _read("names.toml", NameRules)


@cache
def service_rules() -> ServiceRules:
    """Read rules/services.toml."""
    return _read("services.toml", ServiceRules)


_T = TypeVar("_T")


def _read(name: str, kind: type[_T]) -> _T:
    text = resources.files("privacy_filter").joinpath("rules", name).read_text(encoding="utf-8")
    try:
        return msgspec.convert(tomllib.loads(text), type=kind)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise FormatError(f"the rules in {name} are malformed: {error}", code="rules-malformed") from error
