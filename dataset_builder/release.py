"""A release: what may go to partners outside, anonymised, with noisy counts, a licence and two people's approval."""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.anonymise import GENERAL, Anonymiser, Coarseness
from dataset_builder.card import CardPurpose, read_card
from dataset_builder.insights import rows_of
from dataset_builder.parts import WrittenFile, describe_file, keep_private
from dataset_builder.private_counts import CELLS_A_PERSON, noisy_people, spending
from dataset_builder.reidentify import QUASI_IDENTIFIERS, Reidentification, languages_of, reidentify
from dataset_builder.staging import staging_for
from dataset_builder.tables import schema_of
from event_model.errors import DatasetError, FormatError, SignatureError
from event_model.keys import SigningKey, encode_key
from event_model.signed import document_digest, open_document, sign_document

RELEASE = "release.json"
RELEASE_CARD = "dataset-release"
APPROVALS = 2
"""Two people approve what leaves the house."""

_ROWS = 16_384
_KEY_BYTES = 32
_DROPPED = frozenset({"seq", "nodes", "points", "intervals", "keys", "checked", "box", "x", "y"})
"""Columns that are not released: fine enough to know somebody by, or not anonymised."""

_TABLES = ("events", "pages", "activities")
_COUNTED = {
    "activities": ("activity", "language", "application"),
    "kinds": ("kind", "origin"),
}


class ReleaseCard(msgspec.Struct, frozen=True):
    """What was released, from what, how, and under what terms; this is what is approved."""

    study: str
    study_version: int
    made_from: str
    """SHA-256 of the dataset's card."""
    purposes: tuple[CardPurpose, ...]
    licence: str
    statement: str
    k: int
    values_made_general: int
    coarseness: Coarseness
    epsilon: str
    """What the noisy counts cost, as a decimal number."""
    cells_a_person: int
    reidentification_before: Reidentification
    reidentification_after: Reidentification
    files: tuple[WrittenFile, ...]


class Release(msgspec.Struct, frozen=True):
    """``release.json``: the card as each approver signed it."""

    card: ReleaseCard
    approvals: tuple[msgspec.Raw, ...]


Log = Callable[[str], None]
"""Writes the release into the study's log, by the digest of its card; raises where it can't."""


def release(
    out: Path,
    target: Path,
    *,
    licence: str,
    statement: str,
    approvers: Sequence[SigningKey],
    budget: Path,
    epsilon: float,
    total: float,
    log: Log,
) -> ReleaseCard:
    """Make a release of a dataset in a folder that does not exist yet.

    Nothing stands at ``target`` before both approvals are there and the log holds the entry; what ``log`` raises goes
    through, and the budget is as before. DatasetError: if there are fewer than two approvers (``approvals-missing``),
    no licence or statement (``release-incomplete``), too little budget (``budget-spent``), another release is being
    made (``budget-busy``), or ``target`` exists or can't be written.
    """
    card = read_card(out)
    if len({encode_key(key.verify_key.raw) for key in approvers}) < APPROVALS:
        raise DatasetError(
            f"a release takes {APPROVALS} people's approval",
            code="approvals-missing",
            hint="The owner and a custodian approve, each with a key of their own.",
        )
    if not licence.strip() or not statement.strip():
        raise DatasetError("a release needs a licence and a data statement", code="release-incomplete")
    if os.path.lexists(target):
        raise DatasetError(f"{target} exists", code="target-taken", hint="Choose a folder that does not exist yet.")
    try:
        with (
            staging_for(target) as staging,
            spending(budget, study=card.study.id, total=total, what=target.name, epsilon=epsilon),
        ):
            coarseness = Coarseness(1000 * card.study.release_round_s, 1000 * card.study.release_gap_s)
            before, after, rare, files = _Maker(out, staging, card.study.k, coarseness).make(epsilon)
            released = ReleaseCard(
                study=card.study.id,
                study_version=card.study.version,
                made_from=describe_file(out, out / "dataset.json", 0).sha256,
                purposes=card.study.purposes,
                licence=licence.strip(),
                statement=statement.strip(),
                k=card.study.k,
                values_made_general=rare,
                coarseness=coarseness,
                epsilon=f"{epsilon:g}",
                cells_a_person=CELLS_A_PERSON,
                reidentification_before=before,
                reidentification_after=after,
                files=files,
            )
            _approve(released, staging, approvers)
            log(document_digest(RELEASE_CARD, _plain(released)))
            staging.rename(target)
    except OSError as error:
        raise DatasetError(
            f"the release can't be written: {error.strerror or error}", code="dataset-unwritable"
        ) from error
    return released


def _approve(card: ReleaseCard, staging: Path, approvers: Sequence[SigningKey]) -> None:
    """Write the card as everyone signs it, and give the folder to its owner alone."""
    approvals = tuple(msgspec.Raw(sign_document(RELEASE_CARD, _plain(card), key)) for key in approvers)
    data = msgspec.json.encode(Release(card, approvals))
    (staging / RELEASE).write_bytes(msgspec.json.format(data, indent=2) + b"\n")
    keep_private(staging)


def check_release(target: Path) -> tuple[ReleaseCard, tuple[str, ...]]:
    """Check a release: two people signed this card, and its files are those. Gives the card and who signed.

    DatasetError: if it is none, a signature does not fit (``approvals-missing``), or a file is another one
    (``dataset-damaged``).
    """
    try:
        found = msgspec.json.decode((target / RELEASE).read_bytes(), type=Release)
        signed = [open_document(RELEASE_CARD, bytes(each), _Plain) for each in found.approvals]
    except (OSError, msgspec.DecodeError, FormatError, SignatureError) as error:
        raise DatasetError(f"{target} is not a release", code="not-a-dataset") from error
    digest = document_digest(RELEASE_CARD, _plain(found.card))
    signers = {encode_key(each.key.raw) for each in signed if each.digest == digest}
    if len(signers) < APPROVALS:
        raise DatasetError("the release is not approved by two people", code="approvals-missing")
    for file in found.card.files:
        path = target / file.name
        if not path.is_file() or describe_file(target, path, file.rows) != file:
            raise DatasetError(f"{file.name} is not what was released", code="dataset-damaged")
    return found.card, tuple(sorted(signers))


class _Plain(msgspec.Struct, frozen=True):
    """A card as it is signed: its own JSON, since canonical JSON knows no structs."""

    card: str


def _plain(card: ReleaseCard) -> _Plain:
    return _Plain(msgspec.json.encode(card).decode())


class _Maker:
    """Makes the files of one release."""

    def __init__(self, out: Path, staging: Path, k: int, coarseness: Coarseness) -> None:
        self._out = out
        self._staging = staging
        self._k = k
        common, self._rare = self._common()
        self._anonymiser = Anonymiser(secrets.token_bytes(_KEY_BYTES), coarseness, common)

    def make(self, epsilon: float) -> tuple[Reidentification, Reidentification, int, tuple[WrittenFile, ...]]:
        """Write the files, and try to find people again in the dataset and in them."""
        files = [self._write(table) for table in _TABLES]
        counts = self._counts(epsilon)
        path = self._staging / "counts.parquet"
        pq.write_table(pa.Table.from_pylist(counts, _COUNTS_SCHEMA), path, compression="zstd")
        files.append(describe_file(self._staging, path, len(counts)))
        languages = languages_of(self._rows("documents", ["contributor", "language"]))
        before = reidentify(self._rows("events", list(_ATTACKED)), languages, k=self._k)
        common = self._anonymiser
        after = reidentify(
            (common.row(row) for row in self._rows("events", list(_ATTACKED))),
            {
                common.name(who): {common.row({"session": "", "language": each})["language"] for each in found}
                for who, found in languages.items()
            },
            k=self._k,
        )
        return before, after, self._rare, tuple(files)

    def _rows(self, table: str, names: list[str] | None = None) -> Iterator[dict[str, Any]]:
        return rows_of(self._out, table, names or [field.name for field in schema_of(table)])

    def _common(self) -> tuple[dict[str, frozenset[str]], int]:
        """Give the values of each general column that k contributors have."""
        people: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for table in ("events", "documents", "pages"):
            names = [field.name for field in schema_of(table) if field.name in GENERAL]
            paths = ["path"] if table == "documents" else []
            for row in self._rows(table, ["contributor", *names, *paths]):
                for name in names:
                    if row[name]:
                        people[name, row[name]].add(row["contributor"])
                if paths:
                    people["ending", row["path"].rpartition(".")[2]].add(row["contributor"])
        common: defaultdict[str, set[str]] = defaultdict(set)
        rare = 0
        for (name, value), who in people.items():
            if len(who) >= self._k:
                common[name].add(value)
            else:
                rare += 1
        return {name: frozenset(values) for name, values in common.items()}, rare

    def _write(self, table: str) -> WrittenFile:
        schema = pa.schema([field for field in schema_of(table) if field.name not in _DROPPED])
        path = self._staging / f"{table}.parquet"
        rows = 0
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            batch: list[dict[str, Any]] = []
            for row in self._rows(table, schema.names):
                batch.append(self._anonymiser.row(row))
                if len(batch) == _ROWS:
                    writer.write_table(pa.Table.from_pylist(batch, schema))
                    rows, batch = rows + len(batch), []
            writer.write_table(pa.Table.from_pylist(batch, schema))
            rows += len(batch)
        return describe_file(self._staging, path, rows)

    def _counts(self, epsilon: float) -> list[dict[str, Any]]:
        """Count people by cell with noise; only cells of k or more, and of k or more with the noise, are shown."""
        rows: list[dict[str, Any]] = []
        for table, names in _COUNTED.items():
            people: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
            for row in self._rows("events" if table == "kinds" else table, ["contributor", *names]):
                people[tuple(row[name] or "" for name in names)].add(row["contributor"])
            cells = {key: frozenset(who) for key, who in people.items() if len(who) >= self._k}
            for key, count in noisy_people(cells, epsilon=epsilon / len(_COUNTED)).items():
                if count >= self._k:
                    rows.append({"table": table, "cell": " / ".join(key), "contributors": count})
        return rows


_ATTACKED = ("contributor", "session", "kind", "origin", "delta_ms", *(n for n in QUASI_IDENTIFIERS if n != "language"))
_COUNTS_SCHEMA = pa.schema([("table", pa.string()), ("cell", pa.string()), ("contributors", pa.int64())])
