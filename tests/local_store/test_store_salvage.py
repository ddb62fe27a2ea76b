"""Rows read without SQLite are the rows that SQLite wrote, whatever their size and wherever they lie."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from local_store import schema
from local_store.salvage import Found, scan
from local_store.schema import PAGE_BYTES

INTS = [0, 1, 2, -1, 127, -128, 128, 2**15 - 1, 2**15, -(2**23), 2**31, -(2**47), 2**47, 2**62, -(2**63)]
SIZES = [0, 1, 100, 104, 105, 230, 240, *range(930, 1000), 1024, 2000, 2100, 5000, 20_000]
"""Around what a page holds of a row, and around one, two and many further pages."""


def made(path: Path, seed: int, *, deleted: bool) -> dict[str, list[tuple[object, ...]]]:
    """Fill a database with rows of every size and number; gives them as SQLite does."""
    chance = random.Random(seed)
    with contextlib.closing(schema.connect(path)) as connection:
        for number in range(120):
            body = chance.randbytes(chance.choice(SIZES))
            ints = [chance.choice(INTS) for _ in range(12)]
            connection.execute("INSERT INTO keys VALUES (NULL, ?, ?, ?, ?)", (ints[0], ints[1], None, body[:60]))
            place = chance.randrange(-(2**63), 2**63)
            connection.execute("INSERT OR IGNORE INTO journal VALUES (?, ?, ?, ?)", (place, ints[2], ints[3], body))
            connection.execute(
                "INSERT INTO sessions VALUES (NULL, ?, 1, 0, 'lsp', 'ä', ?, ?, 0, 0)",
                (f"{number:032x}", ints[4], ints[5]),
            )
        if deleted:
            connection.execute("DELETE FROM journal WHERE abs(place % 3) = 1")
            connection.execute("DELETE FROM sessions WHERE no % 3 = 1")
            connection.execute("UPDATE keys SET wrapped = zeroblob(7) WHERE no % 3 = 1")
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall())
            for table in ("keys", "journal", "sessions")
        }


def found_in(data: bytes) -> list[Found]:
    pages = len(data) // PAGE_BYTES
    return list(scan(lambda page: data[(page - 1) * PAGE_BYTES : page * PAGE_BYTES], pages))


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_rows_are_those_of_sqlite(tmp_path: Path, seed: int, deleted: bool) -> None:
    rows = made(tmp_path / "db", seed, deleted=deleted)
    found = found_in((tmp_path / "db").read_bytes())
    assert all(each.whole and each.sure for each in found)
    for table, expected in rows.items():
        in_table = [(each.no, *each.values[1:]) for each in found if each.table == table and not each.repeats]
        assert sorted(in_table) == expected
        if table != "journal":
            copies = [(each.no, *each.values[:-1]) for each in found if each.table == table and each.repeats]
            assert sorted(copies) == expected


@pytest.mark.parametrize("spoilt", [range(1), range(3, 5), range(5, 7), range(8, 10)])
def test_a_page_that_does_not_say_where_its_rows_are_is_searched(tmp_path: Path, spoilt: range) -> None:
    """Its kind, the number of its rows, the beginning of their room, or a row's place is wrong."""
    rows = made(tmp_path / "db", 1, deleted=False)
    data = bytearray((tmp_path / "db").read_bytes())
    for at in range(PAGE_BYTES, len(data), PAGE_BYTES):
        if data[at] == 0x0D:
            for place in spoilt:
                data[at + place] ^= 1
    found = {(each.no, *each.values[1:]) for each in found_in(bytes(data)) if each.table == "sessions" and each.whole}
    assert found >= set(rows["sessions"])


def test_nothing_is_found_in_noise() -> None:
    chance = random.Random(3)
    assert found_in(chance.randbytes(300 * PAGE_BYTES)) == []
