"""Characters in the place of others: their class, or filler. Lengths and line ends stay."""

from __future__ import annotations

import unicodedata

from event_model.events import FILLER


def to_shape(text: str) -> str:
    """Replace each character by its class: ``A``, ``a`` and ``0`` for letters and digits, the rest as it is."""
    return text.translate(_SHAPES)


def to_filler(text: str) -> str:
    """Put filler for every character but the line ends."""
    return text.translate(_FILLERS)


class _Shapes(dict[int, str]):
    """The class of each character, found when it is first seen."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        category = unicodedata.category(sign)
        if category in {"Lu", "Lt"}:
            shape = "A"
        elif category[0] in "LM":
            shape = "a"
        elif category[0] == "N":
            shape = "0"
        else:
            shape = sign
        self[code] = shape
        return shape


class _Fillers(dict[int, str]):
    """Filler for every character but the line ends."""

    def __missing__(self, code: int) -> str:
        return FILLER


_SHAPES = _Shapes()
_FILLERS = _Fillers({ord("\n"): "\n", ord("\r"): "\r"})
