"""What happened, in plain sentences: for a stretch of work, and for a single event. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from markupsafe import Markup, escape

from event_model.events import (
    FILLER,
    CaptureGap,
    CaptureStart,
    CommandRun,
    CompletionAccept,
    DocumentEdit,
    DocumentOpen,
    EditorFocus,
    Event,
    Finding,
    Origin,
    SelectionChange,
    ViewportChange,
    kind_of,
)
from event_model.page_events import (
    Element,
    FieldChange,
    KeyRhythm,
    PageBody,
    PageNavigate,
    PageOpen,
    PageOutline,
    PointerClick,
    PointerTrail,
)
from event_model.registry import REGISTRY
from overt.review.catalogue import Entry
from overt.review.desk import Moments
from overt.review.digest import accepted, saved
from overt.review.sheet import MaskIndex
from overt.review.texts import Texts
from privacy_filter.masks import placeholder

EXCERPT_CHARS = 160
"""Of one event's text in a list; the film shows all of it."""

NAME_CHARS = 80


def name_of(t: Texts, name: str, *, page: bool = False) -> Markup:
    """Show a file's or page's name: its last part strong, what was masked as such."""
    if not name.strip():
        return t("word.a_page" if page else "word.a_file")
    folder, slash, last = (name if len(name) <= NAME_CHARS else "…" + name[-NAME_CHARS:]).rpartition("/")
    shown = Markup('<span class="name"><span class="folder">{}</span><strong>{}</strong></span>')
    return shown.format(_without_filler(t, folder + slash), _without_filler(t, last))


def source_words(t: Texts, source: str) -> str:
    """Name the kind of a tool that did not name itself."""
    return str(t("word.tool_" + source)) if t.has("word.tool_" + source) else source


def label_of(t: Texts, name: str) -> str:
    """Name a file in plain text."""
    return name.replace(FILLER, "▒") if name.strip() else str(t("word.a_file"))


def entry_sentence(t: Texts, when: Moments, entry: Entry) -> Markup:
    """Say what a stretch of work was: "you edited billing.py for 6 minutes; 2 secrets were masked"."""
    stretch = entry.stretch
    span = when.span(stretch.end_ms - stretch.start_ms)
    kind, _ = stretch.thing
    name = name_of(t, entry.name, page=kind == "page")
    counts = stretch.counts
    if kind == "tool":
        words = _tool_words(t, entry)
    elif kind == "page":
        clicks = counts.get("pointer.click", 0)
        fields = counts.get("field.change", 0)
        words = t("entry.page", name=name, span=span)
        words += _more(t, "entry.clicks", clicks) + _more(t, "entry.fields", fields)
    elif counts.get("document.edit"):
        words = t("entry.edited", name=name, span=span)
        words += _more(t, "entry.completions", accepted(stretch)) + _more(t, "entry.saves", saved(stretch))
    elif counts.get("selection.change", 0) + counts.get("viewport.change", 0):
        words = t("entry.read", name=name, span=span)
    elif counts.get("document.open"):
        words = t("entry.opened", name=name)
    elif counts.get("document.close"):
        words = t("entry.closed", name=name)
    else:
        words = t("entry.touched", name=name)
    if entry.secrets:
        words += Markup("; ") + t("entry.secrets", n=entry.secrets)
    if entry.personal:
        words += Markup("; ") + t("entry.personal", n=entry.personal)
    return words + Markup(".")


def _tool_words(t: Texts, entry: Entry) -> Markup:
    counts = entry.stretch.counts
    tool = Markup("<strong>{}</strong>").format(entry.tool)
    if counts.get("command.run"):
        return t("entry.commands", n=counts["command.run"], tool=tool)
    if counts.get("capture.start"):
        return t("entry.began", tool=tool)
    if counts.get("editor.focus"):
        return t("entry.focus", tool=tool)
    return t("entry.tool", n=entry.stretch.events, tool=tool)


def _more(t: Texts, key: str, count: int) -> Markup:
    return Markup(", ") + t(key, n=count) if count else Markup("")


def placeholders(findings: Iterable[Finding]) -> dict[int, str]:
    """Name every finding, such as ``<SECRET:aws-access-key:1>``."""
    return {finding.number: placeholder(finding) for finding in findings}


def masked_text(text: str, spans: list[tuple[int, int, int]], labels: Mapping[int, str], *, limit: int) -> Markup:
    """Show an event's text, masked spans as their placeholders."""
    parts: list[Markup] = []
    at = 0
    for start, end, finding in sorted(spans):
        if start >= limit:
            break
        parts.append(escape(text[at:start]))
        parts.append(mark(labels.get(finding, "<MASKED>")))
        at = end
    if at < min(len(text), limit):
        parts.append(escape(text[at:limit]))
    if len(text) > limit:
        parts.append(Markup("…"))
    return Markup("").join(parts)


def mark(label: str) -> Markup:
    """Show a placeholder."""
    kind = "secret" if label.startswith("<SECRET") else "pii"
    return Markup('<mark class="{}">{}</mark>').format(kind, label.strip("<>"))


def event_sentence(t: Texts, event: Event, masked: MaskIndex, labels: Mapping[int, str]) -> Markup:
    """Say what one event was."""
    body = event.body
    kind = kind_of(body)
    match body:
        case DocumentOpen():
            return t("event.opened", name=name_of(t, body.path), n=len(body.text), language=body.language)
        case DocumentEdit():
            return _edit_sentence(t, event, body, masked, labels)
        case SelectionChange():
            selected = abs(body.anchor - body.active)
            return t("event.selected", n=selected) if selected else t("event.moved", at=body.active)
        case ViewportChange():
            return t("event.viewed", first=body.first_line + 1, last=body.last_line + 1)
        case EditorFocus():
            return t("event.came" if body.focused else "event.left")
        case CommandRun():
            return t("event.command", command=body.command or "?")
        case CompletionAccept():
            return t("event.completion", n=body.length)
        case CaptureStart():
            return t("event.began", tool=body.client or "?")
        case CaptureGap():
            return t("event.gap", n=body.count, reason=t("gap." + body.reason.value))
        case _ if isinstance(body, PageBody):
            return _page_sentence(t, body, kind)
        case _:
            return _plainly(t, kind)


def _plainly(t: Texts, kind: str) -> Markup:
    return t("kind." + kind) if t.has("kind." + kind) else escape(REGISTRY[kind].sentence)


def _page_sentence(t: Texts, body: PageBody, kind: str) -> Markup:
    match body:
        case PageOpen() | PageNavigate():
            key = "event.page_title" if body.title else "event.page_open"
            return t(key, route=name_of(t, body.route, page=True), title=_without_filler(t, body.title))
        case PointerClick():
            return t("event.click", element=_element(t, body.element))
        case FieldChange():
            element = _element(t, body.element)
            if body.value:
                return t("event.field_value", element=element, text=_without_filler(t, body.value[:EXCERPT_CHARS]))
            return t("event.field", element=element, content=body.content.value)
        case PointerTrail():
            return t("event.trail", n=len(body.points))
        case KeyRhythm():
            return t("event.keys", n=len(body.keys), element=_element(t, body.element))
        case PageOutline():
            return t("event.outline", n=len(body.nodes))
        case _:
            return _plainly(t, kind)


def _edit_sentence(t: Texts, event: Event, edit: DocumentEdit, masked: MaskIndex, labels: Mapping[int, str]) -> Markup:
    parts: list[Markup] = []
    if edit.deleted:
        parts.append(t("event.removed", n=edit.deleted))
    if edit.inserted:
        text = masked_text(edit.inserted, masked.of(event.index), labels, limit=EXCERPT_CHARS)
        verb = edit.origin if edit.origin is not Origin.UNKNOWN else Origin.TYPED
        shown = Markup("<code>{}</code>").format(
            text if edit.inserted.strip() or masked.of(event.index) else _blank(t, edit.inserted)
        )
        parts.append(t("event.wrote_" + verb.value, text=shown))
    return Markup(" {} ").format(t("word.and")).join(parts) if parts else t("event.nothing")


def _element(t: Texts, element: Element) -> Markup:
    if not element.role and not element.name:
        return t("word.something")
    return (
        t("event.element", role=element.role, name=_without_filler(t, element.name))
        if element.name
        else escape(element.role)
    )


def _blank(t: Texts, text: str) -> Markup:
    return t("word.line_break") if "\n" in text else t("word.space")


def _without_filler(t: Texts, text: str) -> Markup:
    """Stand a short sign for a masked part of a name."""
    if FILLER not in text:
        return escape(text)
    sign = Markup('<mark class="pii">{}</mark>').format(t("word.masked"))
    return sign.join(escape(part) for part in re.split(f"{FILLER}+", text))
