"""What all event bodies share: their root, and the numbers they count in."""

from __future__ import annotations

from typing import Annotated

import msgspec

MAX_COUNT = (1 << 53) - 1
"""The largest count of the schema: what JSON readers keep exact."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


class EventBody(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """The root of all event bodies; the tag is the event's kind."""
