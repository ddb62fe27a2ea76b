"""Which SQLite the receiver uses: the newest at hand."""

from __future__ import annotations

import sqlite3
from typing import Any

try:
    from pysqlite3 import dbapi2
except ModuleNotFoundError:  # It has no wheels for some machines.
    DRIVER: Any = sqlite3
else:
    DRIVER = dbapi2
