"""Events in plain words, a line each, for the terminal. Pure."""

from __future__ import annotations

from event_model.events import (
    Body,
    CaptureCursor,
    CaptureGap,
    CaptureStart,
    CommandRun,
    CompletionAccept,
    DocumentClose,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    EditorFocus,
    SelectionChange,
    ViewportChange,
    kind_of,
)
from event_model.ids import DocumentId
from event_model.page_events import (
    Clipboard,
    Element,
    FieldChange,
    FormSubmit,
    KeyRhythm,
    PageBody,
    PageClose,
    PageFocus,
    PageNavigate,
    PageOpen,
    PageOutline,
    PointerClick,
    PointerTrail,
    Scroll,
    TabActivate,
)

EXCERPT_CHARS = 60

Names = dict[DocumentId, str]
"""What the documents and pages of a session are called; ``sentence`` keeps it up to date."""


def sentence(body: Body, names: Names) -> str:  # noqa: PLR0912 - a branch for each kind
    """Say in plain words what happened."""
    document: DocumentId | None = getattr(body, "document", None)
    if document is not None and isinstance(body, DocumentOpen):
        names[document] = body.path or "a file"
    elif document is not None and isinstance(body, PageOpen | PageNavigate):
        names[document] = body.route or "a page"
    if isinstance(body, PageBody):
        return _on_page(body, names.get(body.document, "a page"))
    name = names.get(document, "a file") if document is not None else ""
    match body:
        case DocumentOpen():
            return f"opened {body.path or 'a file'} ({body.language}, {len(body.text)} characters)"
        case DocumentEdit():
            return f"{name}: {_edit(body)}"
        case DocumentSave():
            return f"saved {name}"
        case DocumentClose():
            return f"closed {name}"
        case SelectionChange():
            return f"{name}: moved to {body.active}"
        case ViewportChange():
            return f"{name}: looked at lines {body.first_line + 1} to {body.last_line + 1}"
        case EditorFocus():
            return "came to the editor" if body.focused else "left the editor"
        case CommandRun():
            return f"ran {body.command}"
        case CompletionAccept():
            return f"{name}: accepted a completion of {body.length} characters"
        case CaptureStart():
            return f"capture began in {body.client or 'an editor'}"
        case CaptureCursor():
            return f"noted how far the browser was read: {body.seq}"
        case CaptureGap():
            return f"{body.count} events are missing: {body.reason.value}"
        case _:
            return kind_of(body).replace(".", " ")


def _edit(edit: DocumentEdit) -> str:
    parts = []
    if edit.deleted:
        parts.append(f"took out {edit.deleted}")
    if edit.inserted:
        text = edit.inserted if len(edit.inserted) <= EXCERPT_CHARS else edit.inserted[:EXCERPT_CHARS] + "…"
        parts.append(f"{edit.origin.value if edit.origin.value != 'unknown' else 'wrote'} {text!r}")
    return f"at {edit.position} " + " and ".join(parts)


def _on_page(body: PageBody, page: str) -> str:  # noqa: PLR0912 - a branch for each kind
    match body:
        case PageOpen():
            return f"opened the page {page}{_quoted(body.title)}"
        case PageNavigate():
            return f"went to {page}{_quoted(body.title)}"
        case PageClose():
            return f"closed {page}"
        case TabActivate():
            return f"turned to the tab of {page}"
        case PageFocus():
            return f"came to {page}" if body.focused else f"left {page}"
        case PointerTrail():
            return f"{page}: moved the pointer, {len(body.points)} points"
        case PointerClick():
            return f"{page}: clicked {_element(body.element)}"
        case Scroll():
            return f"{page}: scrolled to {body.x}, {body.y}"
        case FieldChange():
            return f"{page}: filled in {_element(body.element)}: {_value(body)}"
        case KeyRhythm():
            return f"{page}: pressed {len(body.keys)} keys in {_element(body.element)}; not which"
        case FormSubmit():
            return f"{page}: sent {_element(body.element)}"
        case Clipboard():
            return f"{page}: {body.action.value}; not what"
        case PageOutline():
            return f"{page}: showed {len(body.nodes)} things around that place"


def _element(element: Element) -> str:
    where = f" in {element.context_role or 'the part'}{_quoted(element.context)}" if element.context else ""
    return f"{element.role or 'something'}{_quoted(element.name)}{where}"


def _value(body: FieldChange) -> str:
    if body.checked is not None:
        return "switched on" if body.checked else "switched off"
    return _quoted(body.value).strip() or f"{body.content.value}, {body.length.value} characters"


def _quoted(text: str) -> str:
    if not text:
        return ""
    return f" {text if len(text) <= EXCERPT_CHARS else text[:EXCERPT_CHARS] + '…'!r}"
