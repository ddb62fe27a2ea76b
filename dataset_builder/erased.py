"""Whether a dataset holds what the receiver no longer has: the proof that an erasure reached it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.card import read_card
from dataset_builder.layout import table_files
from dataset_builder.names import Pseudonyms
from dataset_builder.source import SegmentSource
from event_model.envelope import parse_envelope
from event_model.errors import DatasetError, FormatError
from event_model.ids import StudyId


class Stale(msgspec.Struct, frozen=True):
    """A contributor of the dataset, and how many of their events the receiver no longer holds."""

    contributor: str
    events: int


def find_erased(out: Path, *, source: Path, salt: bytes) -> tuple[Stale, ...]:
    """Name the contributors of whom a dataset still holds events that no segment of the receiver holds.

    Reads only what is written on the segments; nothing is opened. ``salt`` is that of the build. DatasetError: if the
    folder is not a dataset or is damaged, or the source can't be read.
    """
    held = _held(SegmentSource(source), StudyId(read_card(out).study.id), Pseudonyms(salt))
    stale: Counter[str] = Counter()
    for contributor, seq in _events(out):
        if not any(seq in each for each in held[contributor]):
            stale[contributor] += 1
    return tuple(Stale(contributor, events) for contributor, events in sorted(stale.items()))


def _held(source: SegmentSource, study: StudyId, names: Pseudonyms) -> defaultdict[str, list[range]]:
    """Give the places in their sequence of the events that each contributor's segments hold."""
    held: defaultdict[str, list[range]] = defaultdict(list)
    for item in source.list(study):
        try:
            header = parse_envelope(source.read(item.key)).header
        except FormatError:
            continue  # no build can open it either
        places = held[names.contributor(header.pseudonym)]
        if places and places[-1].stop == header.first_seq:
            places[-1] = range(places[-1].start, header.first_seq + header.count)
        else:
            places.append(range(header.first_seq, header.first_seq + header.count))
    return held


def _events(out: Path) -> Iterator[tuple[str, int]]:
    for file in table_files(out, "events"):
        try:
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(columns=["contributor", "seq"]):
                    yield from zip(batch["contributor"].to_pylist(), batch["seq"].to_pylist(), strict=True)
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{file} can't be read", code="dataset-damaged") from error
