"""The words that describe a page's elements: roles, states and tag names. Each is a closed set.

All of them stand in attributes or markup, where a page may write whatever it likes, a person's name too. So nothing
passes that is not one of these words, at any level.
"""

from __future__ import annotations

from typing import Literal

Role = Literal[
    "", "alert", "alertdialog", "application", "article", "banner", "blockquote", "button", "caption", "cell",
    "checkbox", "code", "columnheader", "combobox", "comment", "complementary", "contentinfo", "definition", "deletion",
    "dialog", "directory", "document", "emphasis", "feed", "figure", "form", "graphics-document", "graphics-object",
    "graphics-symbol", "grid", "gridcell", "group", "heading", "image", "img", "insertion", "legend", "link", "list",
    "listbox", "listitem", "log", "main", "mark", "marquee", "math", "menu", "menubar", "menuitem", "menuitemcheckbox",
    "menuitemradio", "meter", "navigation", "note", "option", "paragraph", "progressbar", "radio", "radiogroup",
    "region", "row", "rowgroup", "rowheader", "scrollbar", "search", "searchbox", "sectionfooter", "sectionheader",
    "separator", "slider", "spinbutton", "status", "strong", "subscript", "suggestion", "superscript", "switch", "tab",
    "table", "tablist", "tabpanel", "term", "textbox", "time", "timer", "toolbar", "tooltip", "tree", "treegrid",
    "treeitem",
]  # fmt: skip
"""The roles of WAI-ARIA 1.3 and its graphics module; empty for none, and for every other word."""

State = Literal[
    "checked", "collapsed", "current", "disabled", "expanded", "focused", "invalid", "pressed", "readonly", "required",
    "selected",
]  # fmt: skip
"""What an element of an outline may be."""

TAGS = frozenset({
    "a", "abbr", "address", "area", "article", "aside", "audio", "b", "bdi", "bdo", "blockquote", "br", "button",
    "canvas", "caption", "cite", "code", "col", "colgroup", "data", "datalist", "dd", "del", "details", "dfn",
    "dialog", "div", "dl", "dt", "em", "embed", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2",
    "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "i", "iframe", "img", "input", "ins", "kbd", "label",
    "legend", "li", "main", "map", "mark", "menu", "meter", "nav", "object", "ol", "optgroup", "option", "output",
    "p", "picture", "pre", "progress", "q", "rp", "rt", "ruby", "s", "samp", "search", "section", "select", "slot",
    "small", "span", "strong", "sub", "summary", "sup", "svg", "table", "tbody", "td", "textarea", "tfoot", "th",
    "thead", "time", "tr", "u", "ul", "var", "video", "wbr", "body", "html",
})  # fmt: skip
"""The tag names of a structural path (the HTML standard's, section 4)."""

OTHER_TAG = "x-element"
"""Stands for every other."""

MARKS = frozenset({"#frame", "#shadow"})
"""The steps of a structural path into a frame and into a shadow tree."""


def is_known_path(path: str) -> bool:
    """Say whether a structural path is made of known tag names with their places, and of marks."""
    return path == "" or all(_is_known_step(step) for step in path.split("/"))


def _is_known_step(step: str) -> bool:
    tag, _, place = step.partition(":")
    return step in MARKS or ((tag in TAGS or tag == OTHER_TAG) and place.isascii() and place.isdecimal())
