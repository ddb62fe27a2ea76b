"""What a damaged database still holds: its pages read one by one (sqlite.org/fileformat2.html), without SQLite.

Which table a row belongs to is told by its shape, the number and kinds of its columns, so that neither the definitions
nor the pages that lead to a row are needed. Values in, values out: what is true of them is for others to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from local_store.schema import PAGE_BYTES

Pages = Callable[[int], bytes]
"""Gives a page by its number, from 1 on; shorter than a page, or empty, where nothing can be read."""

SHAPES = {
    "studies": "N t i i i i",
    "sessions": "N t i i t t i i i i",
    "keys": "N i i i? b",
    "journal": "N i i b",
    "segments": "N i i i i i i i i i i t i i t b? i? b? b? b?",
    "sequence": "t i",
    "definition": "t t t i t?",
}
"""Of the rows in tables; N is the row's number, which stands outside of the columns."""

COPIES = {
    "studies": "t i i i i i",
    "sessions": "t i i t t i i i i i",
    "keys": "i i i? b i",
    "meta": "t b",
    "names": "t i",
}
"""Of the entries in indexes, which repeat a row; its number comes last."""

GUESSED = frozenset({"studies", "sessions", "keys", "journal", "segments"})
"""Rows that are looked for on a page that does not say where its rows are."""

_TABLE_LEAF, _INDEX_LEAF, _INDEX_INNER = 0x0D, 0x0A, 0x02
_MAGIC = b"SQLite format 3\0"
_FIRST_PAGE_HEADER = 100
_LINK_BYTES = 4
_SMALLEST_CELL = 4
_LOCAL_MIN = (PAGE_BYTES - 12) * 32 // 255 - 23
_LOCAL_MAX = {_TABLE_LEAF: PAGE_BYTES - 35}
_INDEX_LOCAL_MAX = (PAGE_BYTES - 12) * 64 // 255 - 23
_VARINT_BYTES = 9
_INT_SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_ZERO, _ONE = 8, 9
_FIRST_BLOB = 12


class Place(NamedTuple):
    """Where a row lies: its page, the offset in it, and how that kind of page lays rows out."""

    page: int
    at: int
    kind: int


class Found(NamedTuple):
    """A row. ``values`` are its columns, fewer if it is not ``whole``; one that is not ``sure`` was only guessed at."""

    table: str
    no: int
    values: tuple[Any, ...]
    whole: bool
    sure: bool
    place: Place

    @property
    def repeats(self) -> bool:
        """Whether it is an index's entry, which repeats the row ``no``."""
        return self.place.kind != _TABLE_LEAF


class _Cell(NamedTuple):
    no: int
    size: int
    local: bytes
    next_page: int
    end: int


def scan(pages: Pages, count: int) -> Iterator[Found]:
    """Give every row of tables, and every entry of indexes, that lies in so many pages; what no shape fits is left."""
    for page in range(1, count + 1):
        data = pages(page)
        if len(data) != PAGE_BYTES:
            continue
        base = _FIRST_PAGE_HEADER if page == 1 and data.startswith(_MAGIC) else 0
        kind = data[base]
        if kind in {_INDEX_LEAF, _INDEX_INNER}:
            for at in _pointers(data, base):
                found = read(pages, count, Place(page, at, kind))
                if found is not None:
                    yield found
        elif kind:  # a page on which a long row goes on begins with a zero
            yield from _table_rows(pages, count, page, data, base)


def read(pages: Pages, count: int, place: Place, *, sure: bool = True) -> Found | None:
    """Read the row at a place; ``None`` if there is none of a known shape."""
    data = pages(place.page)
    shapes = SHAPES if place.kind == _TABLE_LEAF else COPIES
    cell = _cell(data, place.at, place.kind, count)
    kinds = None if cell is None else _kinds(cell.local)
    if cell is None or kinds is None:
        return None
    header, serials = kinds
    table = next((name for name, shape in shapes.items() if _fits(serials, shape)), None)
    if table is None or header + sum(map(_size, serials)) != cell.size:
        return None
    payload = cell.local + _follow(pages, count, cell.next_page, cell.size - len(cell.local))
    try:
        values = tuple(_values(payload, header, serials))
    except UnicodeDecodeError:
        return None
    if place.kind == _TABLE_LEAF:
        no = cell.no
    else:
        last = values[-1] if len(values) == len(serials) and table != "meta" else 0
        no = last if isinstance(last, int) else 0
    return Found(table, no, values, len(values) == len(serials), sure, place)


def extent(pages: Pages, count: int, place: Place) -> list[tuple[int, int, int]]:
    """Name the bytes that a row takes: page, from and to within the page."""
    data = pages(place.page)
    cell = _cell(data, place.at, place.kind, count)
    if cell is None:
        return []
    spans = [(place.page, place.at, cell.end)]
    left, page = cell.size - len(cell.local), cell.next_page
    while left > 0 and page:
        spans.append((page, 0, min(PAGE_BYTES, _LINK_BYTES + left)))
        left -= PAGE_BYTES - _LINK_BYTES
        page = int.from_bytes(pages(page)[:_LINK_BYTES])
    return spans


def _table_rows(pages: Pages, count: int, page: int, data: bytes, base: int) -> Iterator[Found]:
    seen: set[int] = set()
    if data[base] == _TABLE_LEAF:
        used = 0
        for at in _pointers(data, base):
            found, cell = read(pages, count, Place(page, at, _TABLE_LEAF)), _cell(data, at, _TABLE_LEAF, count)
            if found is not None and cell is not None:
                seen.add(at)
                used += max(cell.end - at, _SMALLEST_CELL)
                yield found
        if used + _free(data, base) == PAGE_BYTES - int.from_bytes(data[base + 5 : base + 7]):
            return  # every byte is accounted for: no row is hidden
    # What leads to the rows of this page is damaged: they are looked for at each place.
    for at in range(8, PAGE_BYTES - _SMALLEST_CELL):
        if at not in seen:
            found = read(pages, count, Place(page, at, _TABLE_LEAF), sure=False)
            if found is not None and found.table in GUESSED:
                yield found


def _pointers(data: bytes, base: int) -> list[int]:
    """Give the offsets of a page's cells, those that can be."""
    start = base + (12 if data[base] == _INDEX_INNER else 8)
    end = min(PAGE_BYTES, start + 2 * int.from_bytes(data[base + 3 : base + 5]))
    places = {int.from_bytes(data[at : at + 2]) for at in range(start, end, 2)}
    return sorted(at for at in places if start < at <= PAGE_BYTES - _SMALLEST_CELL)


def _free(data: bytes, base: int) -> int:
    """Count the free bytes among a page's rows, by the page's own account."""
    free, at = data[base + 7], int.from_bytes(data[base + 1 : base + 3])
    while 0 < at <= PAGE_BYTES - _SMALLEST_CELL:
        following, size = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
        free += size
        if following <= at:
            break
        at = following
    return free


def _cell(data: bytes, at: int, kind: int, count: int) -> _Cell | None:
    if kind == _INDEX_INNER:
        at += _LINK_BYTES
    size, at = _varint(data, at)
    no = 0
    if kind == _TABLE_LEAF:
        no, at = _varint(data, at)
        no -= (no >> 63) << 64  # two's complement
    if not 2 <= size <= count * PAGE_BYTES:
        return None
    most = _LOCAL_MAX.get(kind, _INDEX_LOCAL_MAX)
    local = size
    if size > most:
        local = _LOCAL_MIN + (size - _LOCAL_MIN) % (PAGE_BYTES - _LINK_BYTES)
        local = local if local <= most else _LOCAL_MIN
    link = at + local
    end = link + (_LINK_BYTES if local < size else 0)
    if end > PAGE_BYTES:
        return None
    return _Cell(no, size, data[at:link], int.from_bytes(data[link:end]), end)


def _follow(pages: Pages, count: int, page: int, size: int) -> bytes:
    """Read what of a row lies on pages of its own, as far as they lead."""
    parts: list[bytes] = []
    while size > 0 and 0 < page <= count:
        data = pages(page)
        if len(data) != PAGE_BYTES:
            break
        parts.append(data[_LINK_BYTES : _LINK_BYTES + size])
        size -= len(parts[-1])
        page = int.from_bytes(data[:_LINK_BYTES])
    return b"".join(parts)


def _kinds(local: bytes) -> tuple[int, list[int]] | None:
    """Read a row's header: its length, and a number for each column that says the column's kind and length."""
    header, at = _varint(local, 0)
    if not at < header <= len(local):
        return None
    serials: list[int] = []
    while at < header:
        serial, at = _varint(local, at)
        serials.append(serial)
    return (header, serials) if at == header else None


def _fits(serials: list[int], shape: str) -> bool:
    wanted = shape.split()
    return len(serials) == len(wanted) and all(map(_is_kind, serials, wanted))


def _is_kind(serial: int, wanted: str) -> bool:
    if serial == 0:
        return wanted == "N" or wanted.endswith("?")
    if serial in _INT_SIZES or serial in {_ZERO, _ONE}:
        return wanted[0] == "i"
    return serial >= _FIRST_BLOB and wanted[0] == ("t" if serial % 2 else "b")


def _size(serial: int) -> int:
    return (serial - _FIRST_BLOB) // 2 if serial >= _FIRST_BLOB else _INT_SIZES.get(serial, 0)


def _values(payload: bytes, at: int, serials: list[int]) -> Iterator[int | str | bytes | None]:
    """Give the columns up to the first that is not there in full."""
    for serial in serials:
        raw = payload[at : at + _size(serial)]
        if len(raw) < _size(serial):
            return
        at += len(raw)
        if serial >= _FIRST_BLOB:
            yield raw.decode() if serial % 2 else raw
        elif serial == 0:
            yield None
        else:
            yield int.from_bytes(raw, signed=True) if raw else serial - _ZERO


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of one to nine bytes; gives it, and where it ends."""
    value = 0
    for place in range(at, min(at + _VARINT_BYTES, len(data))):
        byte = data[place]
        if place == at + _VARINT_BYTES - 1:
            return value << 8 | byte, place + 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + 1
    return value, len(data) + 1
