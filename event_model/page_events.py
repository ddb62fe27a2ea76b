"""Events of web pages: what was done, on which element, and the outline of the page around it.

A page has a number in its session, as a document has, and bears the same name in the structs: ``document``. Points and
boxes are CSS pixels. An element is described by its role and name, never by its markup, attributes or value.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from event_model.body import Count, EventBody
from event_model.ids import DocumentId
from event_model.page_words import Role, State

MAX_NAME_CHARS = 120
"""An accessible name or title is a phrase; what is longer is somebody's text."""

MAX_ROUTE_CHARS = 2048
MAX_PATH_CHARS = 400
MAX_POINTS = 400
"""Twenty seconds of a trail at 20 points a second."""

MAX_KEYS = 1000
MAX_NODES = 200
"""Of an outline: what stands around an action, not the page."""

MAX_STATES = 12
MAX_PIXELS = 1 << 24
"""Far beyond any page; keeps numbers small."""

INTERVALS = "intervals"
"""The field of a rhythm that a mask names: which keys and when, of what turned out to be a secret."""

Pixels = Annotated[int, msgspec.Meta(ge=-MAX_PIXELS, le=MAX_PIXELS)]
Millis = Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]
Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARS)]
Route = Annotated[str, msgspec.Meta(max_length=MAX_ROUTE_CHARS)]
StructuralPath = Annotated[str, msgspec.Meta(max_length=MAX_PATH_CHARS, pattern=r"^[a-z0-9#:/-]*\Z")]
Keys = Annotated[str, msgspec.Meta(max_length=MAX_KEYS, pattern=r"^[cdnetmo]*\Z")]
Value = Annotated[str, msgspec.Meta(max_length=10_000)]


class NameSource(enum.Enum):
    """Where an accessible name comes from: given by the page's author, or taken from what the page shows."""

    NONE = "none"
    AUTHOR = "author"
    CONTENT = "content"


class NavigateCause(enum.Enum):
    """What changed a page's address without loading another."""

    PUSH = "push"
    REPLACE = "replace"
    TRAVERSE = "traverse"
    RELOAD = "reload"
    FRAGMENT = "fragment"
    UNKNOWN = "unknown"


class FieldContent(enum.Enum):
    """The class of what a field holds."""

    EMPTY = "empty"
    TEXT = "text"
    WORDS = "words"
    DIGITS = "digits"
    EMAIL = "email"
    PHONE = "phone"
    DATE = "date"
    URL = "url"
    CHOICE = "choice"
    TOGGLE = "toggle"
    FILE = "file"
    OTHER = "other"


class LengthBucket(enum.Enum):
    """How long a field's value is, roughly; in code points."""

    NONE = "0"
    FEW = "1-4"
    SHORT = "5-16"
    LINE = "17-64"
    LONG = "65-256"
    TEXT = "257+"


class ClipboardAction(enum.Enum):
    """What was done with the clipboard."""

    COPY = "copy"
    CUT = "cut"
    PASTE = "paste"


class Element(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was acted on.

    ``role`` is the ARIA role, ``context`` names the row, dialog, form, landmark or heading that the element stands in.
    ``path`` is made of tag names with their place among equals; ``box`` is x, y, width, height in the viewport.
    """

    role: Role = ""
    name: Name = ""
    name_from: NameSource = NameSource.NONE
    context: Name = ""
    context_role: Role = ""
    path: StructuralPath = ""
    box: tuple[Pixels, Pixels, Pixels, Pixels] = (0, 0, 0, 0)


class OutlineNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of an outline; ``depth`` counts from 0."""

    depth: Count
    role: Role = ""
    name: Name = ""
    name_from: NameSource = NameSource.NONE
    states: Annotated[tuple[State, ...], msgspec.Meta(max_length=MAX_STATES)] = ()


class PageOpen(EventBody, frozen=True, tag="page.open"):
    """A page, or a frame of the page ``parent``, came into view of the collector."""

    document: DocumentId
    tab: Count
    route: Route
    title: Name
    width: Pixels = 0
    height: Pixels = 0
    parent: DocumentId | None = None


class PageNavigate(EventBody, frozen=True, tag="page.navigate"):
    """A page changed its address without being loaded anew."""

    document: DocumentId
    route: Route
    title: Name
    cause: NavigateCause = NavigateCause.UNKNOWN


class PageClose(EventBody, frozen=True, tag="page.close"):
    """A page went out of view of the collector."""

    document: DocumentId


class TabActivate(EventBody, frozen=True, tag="tab.activate"):
    """A page's tab came to the front."""

    document: DocumentId


class PageFocus(EventBody, frozen=True, tag="page.focus"):
    """A page gained or lost the focus, or was covered."""

    document: DocumentId
    focused: bool
    visible: bool


class PointerTrail(EventBody, frozen=True, tag="pointer.trail"):
    """The pointer's way: milliseconds since the point before it, x, y; the first point's time is 0."""

    document: DocumentId
    points: Annotated[tuple[tuple[Millis, Pixels, Pixels], ...], msgspec.Meta(max_length=MAX_POINTS)]


class PointerClick(EventBody, frozen=True, tag="pointer.click"):
    """An element was clicked, ``x`` and ``y`` from its box's corner.

    ``modifiers`` adds 1 for alt, 2 for control, 4 for meta, 8 for shift.
    """

    document: DocumentId
    element: Element
    x: Pixels
    y: Pixels
    button: Annotated[int, msgspec.Meta(ge=0, le=4)] = 0
    count: Annotated[int, msgspec.Meta(ge=0, le=3)] = 1
    modifiers: Annotated[int, msgspec.Meta(ge=0, le=15)] = 0


class Scroll(EventBody, frozen=True, tag="scroll"):
    """The page, or an element in it, was scrolled to a place."""

    document: DocumentId
    x: Pixels
    y: Pixels
    element: Element | None = None


class FieldChange(EventBody, frozen=True, tag="field.change"):
    """A form field was changed: the class and rough length of what it holds; ``value`` at level content only.

    ``form`` numbers the forms of a page from 1; 0 is none.
    """

    document: DocumentId
    element: Element
    content: FieldContent
    length: LengthBucket
    value: Value = ""
    checked: bool | None = None
    form: Count = 0


class KeyRhythm(EventBody, frozen=True, tag="key.rhythm"):
    """Keys were pressed in a field: when, and of which class, never which.

    ``keys`` has a letter a key: c character, d delete, n navigation, e enter, t tab, m with a modifier, o other.
    ``intervals`` are the milliseconds between them, the first one 0.
    """

    document: DocumentId
    element: Element
    keys: Keys
    intervals: Annotated[tuple[Millis, ...], msgspec.Meta(max_length=MAX_KEYS)]

    def __post_init__(self) -> None:
        """Check that every key has its time. ValueError: if not."""
        if len(self.keys) != len(self.intervals):
            raise ValueError("keys and intervals differ in number")


class FormSubmit(EventBody, frozen=True, tag="form.submit"):
    """A form was sent."""

    document: DocumentId
    element: Element
    form: Count = 0


class Clipboard(EventBody, frozen=True, tag="clipboard"):
    """The clipboard was used: that, never what."""

    document: DocumentId
    action: ClipboardAction
    element: Element | None = None


class PageOutline(EventBody, frozen=True, tag="page.outline"):
    """What stood around an action: the accessibility outline, in reading order."""

    document: DocumentId
    nodes: Annotated[tuple[OutlineNode, ...], msgspec.Meta(max_length=MAX_NODES)]


PageBody = (
    PageOpen
    | PageNavigate
    | PageClose
    | TabActivate
    | PageFocus
    | PointerTrail
    | PointerClick
    | Scroll
    | FieldChange
    | KeyRhythm
    | FormSubmit
    | Clipboard
    | PageOutline
)

PAGE_TYPES: tuple[type[PageBody], ...] = (
    PageOpen,
    PageNavigate,
    PageClose,
    TabActivate,
    PageFocus,
    PointerTrail,
    PointerClick,
    Scroll,
    FieldChange,
    KeyRhythm,
    FormSubmit,
    Clipboard,
    PageOutline,
)

PAGE_KINDS = frozenset(PAGE_TYPES)
"""The same, to look a type up in: asking ``isinstance`` of an abstract class costs more than a reader does with it."""
"""The kinds of pages, in the order of ``BODY_TYPES``."""


class PageText(msgspec.Struct, frozen=True):
    """One text of a page's event: where it stands (``element.name``, ``nodes.3.name``), and the text."""

    field: str
    text: str


def page_texts(body: PageBody) -> list[PageText]:
    """Give every text of a body that is not empty, in a fixed order."""
    found = [PageText(field, getattr(body, field)) for field in ("route", "title", "value") if hasattr(body, field)]
    element: Element | None = getattr(body, "element", None)
    if element is not None:
        found += [PageText("element.name", element.name), PageText("element.context", element.context)]
    if isinstance(body, PageOutline):
        found += [PageText(f"nodes.{at}.name", node.name) for at, node in enumerate(body.nodes)]
    return [each for each in found if each.text]


def with_page_texts(body: PageBody, texts: Mapping[str, str]) -> PageBody:
    """Put other texts in the places that ``page_texts`` names; other places are passed over."""
    changes: dict[str, Any] = {field: texts[field] for field in ("route", "title", "value") if field in texts}
    element: Element | None = getattr(body, "element", None)
    inner = {field: texts[f"element.{field}"] for field in ("name", "context") if f"element.{field}" in texts}
    if element is not None and inner:
        changes["element"] = msgspec.structs.replace(element, **inner)
    if isinstance(body, PageOutline):
        changes["nodes"] = tuple(
            msgspec.structs.replace(node, name=texts.get(f"nodes.{at}.name", node.name))
            for at, node in enumerate(body.nodes)
        )
    return msgspec.structs.replace(body, **changes) if changes else body
