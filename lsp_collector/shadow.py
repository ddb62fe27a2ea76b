"""One captured document, as the editor has it: what a position means depends on the text it is in."""

from __future__ import annotations

from event_model.errors import PositionError
from event_model.events import Origin
from event_model.ids import DocumentId
from event_model.positions import LineBuffer, PositionEncoding
from lsp_collector.diff import minimal_edit
from lsp_collector.messages import Position, Range
from lsp_collector.ports import Refusal

MAX_EXPECTED_ORIGINS = 64
"""Origins that were announced and whose change has not come; the oldest goes first."""


class Shadow:
    """A document's text, and who was announced as the maker of its next changes.

    ``flaws`` are the reasons why less of it is kept than the study asks for.
    """

    __slots__ = ("buffer", "encoding", "flaws", "id", "language", "origins", "uri")

    def __init__(
        self,
        uri: str,
        document: DocumentId,
        language: str,
        text: str,
        encoding: PositionEncoding,
        flaws: tuple[Refusal, ...] = (),
    ) -> None:
        self.uri = uri
        self.id = document
        self.language = language
        self.encoding = encoding
        self.flaws = flaws
        self.buffer = LineBuffer(text)
        self.origins: dict[int, tuple[Origin, int]] = {}

    def apply(self, place: Range, text: str) -> tuple[int, int]:
        """Replace a range; give its position and length. PositionError: if it is not in the document."""
        start, end = place.start, place.end
        try:
            return self.buffer.apply(start.line, start.character, end.line, end.character, text, self.encoding)
        except PositionError:
            # Several editors name the document's end as the start of the line after the last.
            if end.line != self.buffer.line_count or end.character:
                raise
            size = len(self.buffer)
            position = size if start.line == end.line and not start.character else self.offset(start)
            self.buffer.replace(position, size - position, text)
            return position, size - position

    def become(self, text: str) -> tuple[int, int, str] | None:
        """Take a whole new text; give the one edit that leads to it, or ``None`` when nothing changed."""
        edit = minimal_edit(self.buffer.text(), text)
        if edit is not None:
            self.buffer.replace(*edit)
        return edit

    def offset(self, place: Position) -> int:
        """Convert a place to code points. PositionError: if it is not in the document."""
        return self.buffer.offset(place.line, place.character, self.encoding)

    def expect(self, version: int, origin: Origin, confidence: int) -> None:
        """Remember who makes the change that will bring the document to a version."""
        while len(self.origins) >= MAX_EXPECTED_ORIGINS:
            del self.origins[next(iter(self.origins))]
        self.origins[version] = (origin, confidence)

    def maker(self, version: int | None) -> tuple[Origin, int]:
        """Give the maker announced for a version; what was announced for earlier ones is void."""
        if not self.origins or version is None:
            return Origin.UNKNOWN, 0
        found = self.origins.pop(version, (Origin.UNKNOWN, 0))
        for old in [each for each in self.origins if each < version]:
            del self.origins[old]
        return found
