"""The ticket tool that support staff work in: its pages, and where everything on them stands (CSS pixels). Pure."""

from __future__ import annotations

import random

from event_model.page_events import Element, NameSource, OutlineNode

ORIGIN = "https://tickets.example.test"
WIDTH, HEIGHT = 1280, 800
ROWS = 8

TICKETS = f"{ORIGIN}/tickets"
TICKET = f"{ORIGIN}/tickets/:id"
REPLY = f"{ORIGIN}/tickets/:id/reply"
SEARCH = f"{ORIGIN}/search?q"

HELP = f"{ORIGIN}/help"
HELP_FOUND = f"{ORIGIN}/help/search?q"
ARTICLE = f"{ORIGIN}/help/:id"

TITLES = {
    TICKETS: "Open tickets",
    TICKET: "Ticket",
    REPLY: "Reply",
    SEARCH: "Search results",
    HELP: "Help",
    HELP_FOUND: "Found in the help",
    ARTICLE: "Article",
}

_SUBJECTS = ("Invoice is missing", "Cannot log in", "Printer jams", "Order arrived late", "Change of address")


def row_link(row: int, subject: str) -> Element:
    """The link of a row in a list of tickets."""
    return Element("link", subject, NameSource.CONTENT, f"Ticket in row {row}", "row",
                   f"main:1/table:1/tbody:1/tr:{row}/td:2/a:1", (180, 160 + 56 * row, 420, 24))  # fmt: skip


def button(name: str, place: int) -> Element:
    """A button of a ticket's tool bar."""
    return Element("button", name, NameSource.AUTHOR, "Ticket actions", "toolbar",
                   f"main:1/div:1/button:{place}", (180 + 130 * place, 96, 120, 36))  # fmt: skip


NEXT = Element("link", "Tickets", NameSource.AUTHOR, "Main", "navigation", "header:1/nav:1/a:1", (24, 16, 90, 32))
SEARCH_FIELD = Element("searchbox", "Search tickets", NameSource.AUTHOR, "Main", "navigation",
                       "header:1/form:1/input:1", (860, 16, 260, 32))  # fmt: skip
FILTER = Element("textbox", "Filter tickets", NameSource.AUTHOR, "Open tickets", "main", "main:1/div:1/input:1",
                 (180, 96, 300, 32))  # fmt: skip
FILTER_STATE = Element("combobox", "Filter by state", NameSource.AUTHOR, "Open tickets", "main",
                       "main:1/div:1/select:1", (500, 96, 160, 32))  # fmt: skip
HELP_LINK = Element("link", "Help", NameSource.AUTHOR, "Main", "navigation", "header:1/nav:1/a:2", (130, 16, 70, 32))
HELP_FIELD = Element("searchbox", "Search the help", NameSource.AUTHOR, "Help", "main", "main:1/form:1/input:1",
                     (180, 96, 420, 36))  # fmt: skip
ANSWER = Element("textbox", "Your answer", NameSource.AUTHOR, "Answer", "form", "main:1/form:1/textarea:1",
                 (180, 220, 720, 220))  # fmt: skip
STATUS = Element("combobox", "Status", NameSource.AUTHOR, "Answer", "form", "main:1/form:1/select:1",
                 (180, 470, 200, 32))  # fmt: skip
SEND = Element("button", "Send", NameSource.AUTHOR, "Answer", "form", "main:1/form:1/button:1", (180, 530, 100, 36))
FORM = Element("form", "Answer", NameSource.AUTHOR, "", "", "main:1/form:1", (160, 200, 780, 390))
BODY_TEXT = Element("paragraph", "", NameSource.NONE, "Message", "article", "main:1/article:1/p:1",
                    (180, 180, 720, 160))  # fmt: skip


def subject(source: random.Random) -> str:
    """Make up what a ticket is about."""
    return source.choice(_SUBJECTS)


def outline(route: str, subjects: list[str]) -> tuple[OutlineNode, ...]:
    """Give the outline of a page."""
    author, content = NameSource.AUTHOR, NameSource.CONTENT
    top = [
        OutlineNode(0, "navigation", "Main", author),
        OutlineNode(1, "link", "Tickets", author),
        OutlineNode(1, "link", "Help", author),
        OutlineNode(1, "searchbox", "Search tickets", author),
        OutlineNode(0, "main", TITLES[route], content),
    ]
    if route in {TICKETS, SEARCH, HELP_FOUND}:
        rows = [OutlineNode(2, "row", "", NameSource.NONE) for _ in subjects]
        links = [OutlineNode(3, "link", each, content) for each in subjects]
        return (*top, *(node for pair in zip(rows, links, strict=True) for node in pair))
    if route == HELP:
        return (*top, OutlineNode(1, "searchbox", "Search the help", author))
    if route == ARTICLE:
        return (*top, OutlineNode(1, "article", "Article", content))
    if route == TICKET:
        return (
            *top,
            OutlineNode(1, "toolbar", "Ticket actions", author),
            OutlineNode(2, "button", "Reply", author),
            OutlineNode(2, "button", "Assign to me", author),
            OutlineNode(1, "article", "Message", author),
        )
    return (
        *top,
        OutlineNode(1, "form", "Answer", author),
        OutlineNode(2, "textbox", "Your answer", author, ("required",)),
        OutlineNode(2, "combobox", "Status", author),
        OutlineNode(2, "button", "Send", author),
    )
