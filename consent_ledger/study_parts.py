"""What a study manifest is put together from: plain parts, checked with the whole."""

from __future__ import annotations

import msgspec


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The root of a manifest's parts: a field that this version does not know may be a limit, so it is refused."""


class Controller(Part, frozen=True):
    """Who answers for the data (GDPR article 4(7)), and how to reach them."""

    name: str
    contact: str


class Purpose(Part, frozen=True):
    """What the data is for: a name, a W3C DPV term, and a sentence for the person."""

    id: str
    dpv: str
    text: str


class WorkspaceRule(Part, frozen=True):
    """Workspaces that the study covers, by git remote, by folder, or by both (then both must fit)."""

    remote: str | None = None
    path: str | None = None


class ScopeRules(Part, frozen=True):
    """Where the study captures: a list of what is allowed, and what is taken out of it.

    ``secret_fields`` are globs of form fields' names, ids or labels that are never looked at, beside those that are
    recognised as secret anyway.
    """

    workspaces: tuple[WorkspaceRule, ...] = ()
    deny: tuple[str, ...] = ()
    web_origins: tuple[str, ...] = ()
    secret_fields: tuple[str, ...] = ()


class Receiver(Part, frozen=True):
    """Where sealed segments go, and the key (base64url) that signs the receipts."""

    url: str
    key: str
