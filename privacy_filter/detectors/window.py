"""A text as the layers read it: itself, in lower case, and as one byte a code point."""

from __future__ import annotations

import codecs
from functools import cached_property
from typing import Any

import re2

STRANGE = b"\xff"
"""What stands for a code point beyond Latin-1 in ``raw``: no layer has a pattern for it but "anything"."""

_HANDLER = "overt-one-byte"


def _one_byte_each(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    return STRANGE * (error.end - error.start), error.end


codecs.register_error(_HANDLER, _one_byte_each)


class Window:
    """What one call looks at. Offsets are the same in all three forms."""

    def __init__(self, text: str, *, whole_file: bool) -> None:
        self.text = text
        self.whole_file = whole_file

    @cached_property
    def low(self) -> str:
        """The text in lower case, of the same length."""
        low = self.text.lower()
        return low if len(low) == len(self.text) else self.raw.lower().decode("latin-1")

    @cached_property
    def raw(self) -> bytes:
        """The text with one byte a code point."""
        return self.text.encode("latin-1", _HANDLER)


def compile_pattern(pattern: bytes) -> Any:
    """Compile an RE2 pattern over the bytes of ``Window.raw``."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return re2.compile(pattern, options)
