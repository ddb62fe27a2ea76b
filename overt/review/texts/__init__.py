"""The page's words, by language: one TOML file each, with the same keys. It never holds anything of the person's."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch"}


@functools.cache
def load(language: str) -> Mapping[str, str]:
    """Read a language's texts as ``section.key``."""
    data = tomllib.loads((Path(__file__).parent / f"{language}.toml").read_text("utf-8"))
    return dict(_flat(data, ""))


def _flat(table: Mapping[str, Any], before: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in table.items():
        found += _flat(value, f"{before}{key}.") if isinstance(value, dict) else [(before + key, str(value))]
    return found


class Texts:
    """The texts of one language, with numbers and names put in."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"
        self._texts = load(self.language)

    def has(self, key: str) -> bool:
        """Say whether there is a text of this name."""
        return key in self._texts

    def __call__(self, key: str, /, **values: object) -> Markup:
        """Give a text as markup that is safe: the text and every value are escaped, marked-up values stay.

        With ``n``, the form for one or for several is taken (``key.one``, ``key.other``). KeyError: no such text.
        """
        if "n" in values and key not in self._texts:
            key = f"{key}.one" if values["n"] == 1 else f"{key}.other"
            values["n"] = self.number(values["n"])
        return escape(self._texts[key]).format(**values)

    def number(self, value: object) -> str:
        """Write a whole number with the language's separators."""
        if not isinstance(value, int):
            return str(value)
        return f"{value:,}".replace(",", "." if self.language == "de" else ",")

    def decimal(self, number: str) -> str:
        """Write a number that has a decimal point with the language's own."""
        return number.replace(".", ",") if self.language == "de" else number

    def list(self, items: list[str]) -> str:
        """Join names as a sentence does."""
        if len(items) < 2:
            return "".join(items)
        return f"{', '.join(items[:-1])} {self._texts['word.and']} {items[-1]}"
