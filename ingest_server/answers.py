"""What the receiver's services give back, and the one refusal that tells nothing."""

from __future__ import annotations

import enum

import msgspec

from consent_ledger.record import ConsentState
from event_model.errors import ReceiverError

ALLOWS = frozenset({ConsentState.GIVEN, ConsentState.SUPERSEDED})
"""Segments come under a given record, or under one that a later consent superseded while they were on hold."""


class Outcome(enum.Enum):
    """Whether a request changed something."""

    CREATED = 201
    UNCHANGED = 200


class Answer(msgspec.Struct, frozen=True):
    """What goes back: a signed receipt, or a small JSON note."""

    outcome: Outcome
    body: bytes


def content_refused(cause: Exception | None = None) -> ReceiverError:
    """Make the one answer to everything malformed, forged, foreign or out of order: it tells nothing about which."""
    refusal = ReceiverError("this content is not accepted", status=422, code="content-refused")
    refusal.__cause__ = cause
    return refusal
