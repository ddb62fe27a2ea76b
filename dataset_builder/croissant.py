"""Croissant metadata: a dataset in the words of MLCommons Croissant 1.0, so that its tools load it. Pure.

Columns that hold lists of spans are left out, for Croissant 1.0 has no words for them; the card describes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
import pyarrow as pa

from consent_ledger.manifest import StudyManifest
from dataset_builder.card import licence_of
from dataset_builder.layout import EXAMPLES
from dataset_builder.parts import WrittenFile
from dataset_builder.plan import Split
from dataset_builder.tables import FORMAT_VERSION, NEXT_EDIT, TABLES

CROISSANT: Final = "croissant.json"

Node = dict[str, object]

_CONFORMS: Final = "http://mlcommons.org/croissant/1.0"
_PARQUET: Final = "application/x-parquet"
_JSON_LINES: Final = "application/jsonlines"

CONTEXT: Final[Node] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "includes": "cr:includes",
    "recordSet": "cr:recordSet",
    "source": "cr:source",
}
"""The names that are used here, and where they are defined."""


def croissant_of(manifest: StudyManifest, files: Sequence[WrittenFile]) -> bytes:
    """Describe a dataset of a study by its files; JSON-LD, UTF-8."""
    described: Node = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS,
        "name": f"overt-{manifest.id}",
        "description": f"{manifest.title}. Editing sessions of people who consented, masked, with exact replay.",
        "license": licence_of(manifest),
        "creator": {
            "@type": "sc:Organization",
            "name": manifest.controller.name,
        },
        "version": f"{FORMAT_VERSION}.{manifest.version}.0",
        "distribution": [
            *(_file(file) for file in files),
            *(_file_set(table, split) for table, split in _pairs(files)),
        ],
        "recordSet": [
            *(_records(table, split) for table, split in _pairs(files)),
            *(_example_records(file) for file in files if file.name.startswith(f"{EXAMPLES}/")),
        ],
    }
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"


def _file(file: WrittenFile) -> Node:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "contentUrl": file.name,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": _PARQUET if file.name.endswith(".parquet") else _JSON_LINES,
        "sha256": file.sha256,
    }


def _pairs(files: Sequence[WrittenFile]) -> list[tuple[str, str]]:
    """Give the tables and splits that have files, in order."""
    found = {
        (file.name.partition("/")[0], file.name.rpartition("/")[2].removesuffix(".parquet"))
        for file in files
        if file.name.endswith(".parquet")
    }
    return [(table, split.value) for table in TABLES for split in Split if (table, split.value) in found]


def _file_set(table: str, split: str) -> Node:
    """Name the files of all dates of a table and split."""
    return {
        "@type": "cr:FileSet",
        "@id": f"{table}-{split}-files",
        "name": f"{table}-{split}-files",
        "encodingFormat": _PARQUET,
        "includes": f"{table}/*/*/{split}.parquet",
    }


def _records(table: str, split: str) -> Node:
    name = f"{table}-{split}"
    source: Node = {"fileSet": {"@id": f"{name}-files"}}
    return _record_set(name, [_field(name, source, *column) for column in _columns(table)])


def _example_records(file: WrittenFile) -> Node:
    name = f"{EXAMPLES}-{file.name.rpartition('/')[2].removesuffix('.jsonl')}"
    source: Node = {"fileObject": {"@id": file.name}}
    return _record_set(name, [_field(name, source, *column) for column in _examples()])


def _record_set(name: str, fields: Sequence[Node]) -> Node:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": list(fields)}


def _field(records: str, source: Node, column: str, kind: str, meaning: str) -> Node:
    return {
        "@type": "cr:Field",
        "@id": f"{records}/{column}",
        "name": f"{records}/{column}",
        "description": meaning,
        "dataType": kind,
        "source": {**source, "extract": {"column": column}},
    }


def _columns(table: str) -> Iterator[tuple[str, str, str]]:
    for column in TABLES[table]:
        if not pa.types.is_list(column.type):
            yield column.name, _type_of(column.type), column.meaning


def _examples() -> Iterator[tuple[str, str, str]]:
    words: Mapping[str, str] = {"string": "sc:Text", "integer": "sc:Integer"}
    for name, kind, meaning in NEXT_EDIT:
        if kind in words:
            yield name, words[kind], meaning


def _type_of(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:DateTime" if pa.types.is_timestamp(kind) else "sc:Text"
