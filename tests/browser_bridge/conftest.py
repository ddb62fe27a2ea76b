"""A running bridge for every test that asks for one."""

from __future__ import annotations

from tests.browser_bridge.bridge_world import world

__all__ = ["world"]
