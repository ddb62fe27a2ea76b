"""The open documents: those that are captured with their text, the others as a hash and nothing else.

Every notification about a document ends here and becomes events for the gate. A document whose text is not known
exactly any more is let go of with a ``capture.gap``; it comes back with its next full text (open, save, full change).
"""

from __future__ import annotations

import msgspec

from event_model.errors import PositionError
from event_model.events import (
    CommandRun,
    CompletionAccept,
    DocumentClose,
    DocumentEdit,
    DocumentSave,
    EditorFocus,
    GapReason,
    SelectionChange,
    ViewportChange,
)
from event_model.positions import PositionEncoding
from lsp_collector import messages
from lsp_collector.answers import lost_refusal
from lsp_collector.messages import Change
from lsp_collector.ports import Door, Refusal
from lsp_collector.shadow import Shadow
from lsp_collector.uris import path_of

MAX_DOCUMENT_CHARS = 4_000_000
"""Code points in one captured document, as at the gate; its shadow takes some 10 MB. Nobody types into a larger one."""

TEXT_FLAWS = frozenset({"document-binary", "document-too-large", "document-large", "line-too-long"})
"""The gate's codes for what is wrong with a text, not with its place."""

MAX_REMEMBERED = 65_536
"""Documents that are open and not captured. Past it, the oldest count as never opened."""


class Away(msgspec.Struct):
    """A document that is open in the editor and not captured.

    ``reason`` says why the collector lost it, ``lost`` counts changes since; without, the gate does not want it.
    ``flaws`` are the gate's reasons that lie in its text, which its path alone does not tell.
    """

    language: str = ""
    reason: GapReason | None = None
    lost: int = 0
    flaws: tuple[Refusal, ...] = ()


class Documents:
    """Turns what editor and plugin say about documents into events."""

    def __init__(self, door: Door, encoding: PositionEncoding) -> None:
        self._door = door
        self._encoding = encoding
        self._shadows: dict[str, Shadow] = {}
        self._away: dict[int, Away] = {}

    def captured(self, uri: str) -> bool:
        """Whether a document is captured."""
        return uri in self._shadows

    def flaws(self, uri: str) -> tuple[Refusal, ...]:
        """Why a document's text is not kept, or only its shape, although its place is captured."""
        shadow = self._shadows.get(uri)
        if shadow is not None:
            return shadow.flaws
        away = self._away.get(hash(uri), Away())
        return away.flaws if away.reason is None else (lost_refusal(away.reason),)

    # --- what LSP says

    def did_open(self, params: messages.DidOpen) -> None:
        """Take a document that the editor opened; for one that is captured already, take over what differs."""
        item = params.text_document
        self._look_again(item.uri)
        self._open(item.uri, item.language_id, item.text)

    def did_change(self, params: messages.DidChange) -> None:
        """Take the changes of one transaction, each on the text that the one before it left."""
        uri, changes = params.text_document.uri, params.content_changes
        shadow = self._shadows.get(uri)
        if shadow is None:
            self._change_away(uri, changes)
            return
        hint = params.overt
        if hint is not msgspec.UNSET and hint.origin is not None:
            origin, confidence = hint.origin, hint.confidence
        else:
            origin, confidence = shadow.maker(params.text_document.version)
        joined = False
        for at, change in enumerate(changes):
            text = change.text
            if change.range is not None:
                try:
                    position, deleted = shadow.apply(change.range, text)
                except PositionError:
                    self._lose(shadow, GapReason.POSITION_INVALID, len(changes) - at)
                    return
            else:
                edit = None if len(text) > MAX_DOCUMENT_CHARS else shadow.become(text)
                position, deleted, text = edit or (0, 0, "" if len(text) <= MAX_DOCUMENT_CHARS else text)
            if shadow.buffer.size > MAX_DOCUMENT_CHARS or len(text) > MAX_DOCUMENT_CHARS:
                self._lose(shadow, GapReason.DOCUMENT_TOO_LARGE, len(changes) - at)
                return
            if deleted or text or change.range is not None:  # also of nothing: the editor named it as a change
                self._door.offer(DocumentEdit(shadow.id, position, deleted, text, origin, confidence, joined))
                joined = True

    def did_save(self, params: messages.DidSave) -> None:
        """Take a save; with its text, take over what differs, and begin again with a document that was away."""
        uri = params.text_document.uri
        self._look_again(uri)
        text, shadow = params.text, self._shadows.get(uri)
        if text is not None and not _joined_by_words(text, shadow):
            self._open(uri, self._away.get(hash(uri), Away()).language, text)
        shadow = self._shadows.get(uri)
        if shadow is not None:
            self._door.offer(DocumentSave(shadow.id))

    def did_close(self, params: messages.DidClose) -> None:
        """Let go of a document."""
        self._close(params.text_document.uri)

    def did_rename(self, params: messages.DidRename) -> None:
        """Follow files, and every file of a folder, to their new names: in scope with their text, else not at all."""
        for file in params.files:
            old, new = file.old_uri.rstrip("/"), file.new_uri.rstrip("/")
            for uri in [each for each in self._shadows if each == old or each.startswith(old + "/")]:
                self._rename(uri, new + uri[len(old) :])

    # --- what plugins say

    def origin(self, params: messages.OriginParams) -> None:
        """Remember who makes the change that will bring a document to a version."""
        shadow = self._shadows.get(params.uri)
        if shadow is not None:
            shadow.expect(params.version, params.origin, params.confidence)

    def selection(self, params: messages.SelectionParams) -> None:
        """Take a selection. One outside the document is a gap, and leaves the document as it is."""
        shadow = self._shadows.get(params.uri)
        if shadow is None:
            return
        try:
            anchor, active = shadow.offset(params.anchor), shadow.offset(params.active)
        except PositionError:
            self._door.gap(1, GapReason.POSITION_INVALID)
            return
        self._door.offer(SelectionChange(shadow.id, anchor, active, params.count, params.cause))

    def viewport(self, params: messages.ViewportParams) -> None:
        """Take the lines in view, cut at the document's end."""
        shadow = self._shadows.get(params.uri)
        if shadow is None:
            return
        last = min(params.last_line, shadow.buffer.line_count - 1)
        if params.first_line > last:
            self._door.gap(1, GapReason.POSITION_INVALID)
        else:
            self._door.offer(ViewportChange(shadow.id, params.first_line, last))

    def completion(self, params: messages.CompletionParams) -> None:
        """Take an accepted completion."""
        shadow = self._shadows.get(params.uri)
        if shadow is not None:
            self._door.offer(CompletionAccept(shadow.id, params.length))

    def focus(self, params: messages.FocusParams) -> None:
        """Take a change of the window's focus."""
        self._door.offer(EditorFocus(params.focused))

    def command(self, params: messages.CommandParams) -> None:
        """Take the name of a command that ran."""
        self._door.offer(CommandRun(params.command))

    # --- what went wrong, or was taken back

    def lose(self, uri: str | None, reason: GapReason) -> None:
        """A change was lost: its document is away from here on, or every document when it can't be named."""
        if uri is None:
            for each in list(self._shadows.values()):
                self._lose(each, reason, 1)
            return
        shadow = self._shadows.get(uri)
        if shadow is not None:
            self._lose(shadow, reason, 1)
            return
        away = self._away.get(hash(uri)) or self._first_seen(uri, reason)
        if away.reason is not None:
            away.lost += 1

    def sweep(self) -> bool:
        """Let go of the text of every document that the gate does not capture any more; says if there was any."""
        gone = [shadow for shadow in self._shadows.values() if not self._door.captures(shadow.id)]
        for shadow in gone:
            del self._shadows[shadow.uri]
            self._put_away(shadow.uri, shadow.language)
        return bool(gone)

    def finish(self) -> None:
        """Count what was lost and never came back, and close every document."""
        for away in self._away.values():
            self._report(away)
        for shadow in self._shadows.values():
            self._door.offer(DocumentClose(shadow.id))
        self._shadows.clear()
        self._away.clear()

    # --- inside

    def _open(self, uri: str, language: str, text: str) -> None:
        shadow = self._shadows.get(uri)
        if shadow is not None:
            change = messages.Change(text)
            self.did_change(messages.DidChange(messages.Versioned(uri), [change]))
            return
        self._report(self._away.pop(hash(uri), Away()))
        path = path_of(uri)
        flaws: tuple[Refusal, ...] = ()
        if path is not None and len(text) > MAX_DOCUMENT_CHARS:
            flaws = (lost_refusal(GapReason.DOCUMENT_TOO_LARGE),)
            if not self._door.explain(path):
                self._door.gap(1, GapReason.DOCUMENT_TOO_LARGE)
        elif path is not None:
            verdict = self._door.open_document(path=path, language=language, text=text)
            flaws = tuple(each for each in verdict.refusals if each.code in TEXT_FLAWS)
            if verdict.document is not None:
                self._shadows[uri] = Shadow(uri, verdict.document, language, text, self._encoding, flaws)
                return
        self._put_away(uri, language).flaws = flaws

    def _look_again(self, uri: str) -> None:
        """Let go of a document whose file is elsewhere now: what was captured may be a link to what may not be."""
        shadow = self._shadows.get(uri)
        if shadow is not None and not self._door.look_again(shadow.id):
            del self._shadows[uri]
            self._put_away(uri, shadow.language)

    def _close(self, uri: str) -> None:
        self._report(self._away.pop(hash(uri), Away()))
        shadow = self._shadows.pop(uri, None)
        if shadow is not None:
            self._door.offer(DocumentClose(shadow.id))

    def _rename(self, old: str, new: str) -> None:
        """Open the new name as the old one's continuation, then close the old; out of scope, close is all."""
        shadow = self._shadows.pop(old)
        self._close(new)
        path = path_of(new)
        document = None
        if path is not None:
            text = shadow.buffer.text()
            verdict = self._door.open_document(path=path, language=shadow.language, text=text, continues=shadow.id)
            document = verdict.document
        self._door.offer(DocumentClose(shadow.id))
        if document is None:
            self._put_away(new, shadow.language)
        else:
            shadow.uri, shadow.id = new, document
            self._shadows[new] = shadow

    def _change_away(self, uri: str, changes: list[Change]) -> None:
        """Take a change to a document that is not captured: only one with the whole text can begin it again."""
        away = self._away.get(hash(uri)) or self._first_seen(uri, GapReason.DOCUMENT_UNOPENED)
        if away.reason is None:
            return
        away.lost += len(changes)
        if changes and changes[-1].range is None:
            self._open(uri, away.language, changes[-1].text)

    def _first_seen(self, uri: str, reason: GapReason) -> Away:
        """Meet a document that was never opened: what is lost of it counts only where it would be captured."""
        path = path_of(uri)
        wanted = path is not None and not self._door.explain(path)
        return self._put_away(uri, "", reason if wanted else None)

    def _lose(self, shadow: Shadow, reason: GapReason, count: int) -> None:
        del self._shadows[shadow.uri]
        self._put_away(shadow.uri, shadow.language, reason)
        self._door.gap(count, reason, shadow.id)

    def _put_away(self, uri: str, language: str, reason: GapReason | None = None) -> Away:
        if len(self._away) >= MAX_REMEMBERED:
            self._report(self._away.pop(next(iter(self._away))))
        away = self._away[hash(uri)] = Away(language, reason)
        return away

    def _report(self, away: Away) -> None:
        if away.lost and away.reason is not None:
            self._door.gap(away.lost, away.reason)


def _joined_by_words(text: str, shadow: Shadow | None) -> bool:
    r"""Say whether a save's text has ``\n``, two characters, where lines end: ALE 3.3 sends it so.

    For a document that is away nobody can tell such a text from one line; it comes back with its next whole text.
    """
    if "\n" in text or "\\n" not in text:
        return False
    return shadow is None or shadow.buffer.text().removesuffix("\n").replace("\n", "\\n") == text.removesuffix("\\n")
