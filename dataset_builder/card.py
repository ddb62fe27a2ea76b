"""The dataset card: what is in a dataset, for what it may be used, and how its columns are to be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from consent_ledger.manifest import StudyManifest
from dataset_builder.parts import WrittenFile
from dataset_builder.plan import Gap
from dataset_builder.tables import FORMAT_VERSION, NEXT_EDIT, TABLES
from event_model.errors import DatasetError

CARD = "dataset.json"
FORMAT_NAME = "overt dataset "
FORMAT = f"{FORMAT_NAME}{FORMAT_VERSION}"
MAX_CARD_BYTES = 256 << 20
"""A card lists every gap and every segment that was set aside; a larger one is not ours."""

SPLIT_RULE = (
    "A session is in one split only. Sessions of one contributor that overlap in time stay together as one occasion."
    " With ten contributors or more, a tenth of them are in test alone, chosen by keyed digest, and the latest tenth of"
    " the others' occasions is in validation. With fewer, the latest tenth of all occasions is in test and the tenth"
    " before it in validation; with fewer than three occasions everything is in train."
    " Next-edit examples whose input and output are the same but for the path are written once, train first."
)


class CardPurpose(msgspec.Struct, frozen=True):
    """A purpose to which the contributors consented."""

    id: str
    dpv: str
    text: str


class CardStudy(msgspec.Struct, frozen=True):
    """The study whose data this is."""

    id: str
    version: int
    title: str
    controller: str
    contact: str
    legal_basis: str
    retention_days: int
    k: int
    release_round_s: int
    release_gap_s: int
    purposes: tuple[CardPurpose, ...]


class CardColumn(msgspec.Struct, frozen=True):
    """A column, or a key of the next-edit files."""

    name: str
    type: str
    unit: str
    meaning: str


class CardProblem(msgspec.Struct, frozen=True):
    """A segment or session with something wrong, named as the dataset names its contributor."""

    code: str
    contributor: str
    place: str
    detail: str
    set_aside: bool


class SplitCounts(msgspec.Struct, frozen=True):
    """What is in one split; ``duplicates`` counts examples that were left out."""

    contributors: int
    sessions: int
    events: int
    documents: int
    masks: int
    examples: int
    duplicates: int


class Counts(msgspec.Struct, frozen=True):
    """What was read and what came of it."""

    objects: int
    segments_set_aside: int
    sessions_set_aside: int
    events: int
    events_missing: int
    edits: int
    edits_applied: int
    documents: int
    documents_exact: int
    masks: int
    masks_second_pass: int
    masked_spans: int
    examples: int


class Card(msgspec.Struct, frozen=True):
    """Everything about a dataset, as ``dataset.json`` has it."""

    format: str
    study: CardStudy
    licence: str
    counts: Counts
    splits: dict[str, SplitCounts]
    split_rule: str
    tables: dict[str, tuple[CardColumn, ...]]
    next_edit: tuple[CardColumn, ...]
    examples_left_out: dict[str, int]
    problems: tuple[CardProblem, ...]
    gaps: tuple[Gap, ...]
    files: tuple[WrittenFile, ...]
    figures: dict[str, dict[str, float]] = {}
    """What was measured on the dataset since it was built, by what measured it."""


def licence_of(manifest: StudyManifest) -> str:
    """Say what the contributors' consent allows."""
    return (
        f"For the purposes of the study {manifest.id} (version {manifest.version}) only, as its contributors consented"
        f" to them, for {manifest.retention_days} days at most. {manifest.controller.name} answers for it. Whoever"
        " withdraws is taken out: build again, and use no older copy."
    )


def study_of(manifest: StudyManifest) -> CardStudy:
    """Give the card's part about the study."""
    return CardStudy(
        id=manifest.id,
        version=manifest.version,
        title=manifest.title,
        controller=manifest.controller.name,
        contact=manifest.controller.contact,
        legal_basis=manifest.legal_basis,
        retention_days=manifest.retention_days,
        k=manifest.k,
        release_round_s=manifest.release_round_s,
        release_gap_s=manifest.release_gap_s,
        purposes=tuple(CardPurpose(purpose.id, purpose.dpv, purpose.text) for purpose in manifest.purposes),
    )


def columns_of_tables() -> dict[str, tuple[CardColumn, ...]]:
    """Give the card's part about the tables."""
    return {
        table: tuple(CardColumn(each.name, each.type_name, each.unit, each.meaning) for each in columns)
        for table, columns in TABLES.items()
    }


def columns_of_examples() -> tuple[CardColumn, ...]:
    """Give the card's part about the next-edit files."""
    return tuple(CardColumn(name, kind, "", meaning) for name, kind, meaning in NEXT_EDIT)


def write_card(card: Card, out: Path) -> None:
    """Write ``dataset.json``."""
    data = msgspec.json.format(msgspec.json.encode(card), indent=2)
    (out / CARD).write_bytes(data + b"\n")


def add_figures(out: Path, name: str, figures: Mapping[str, float]) -> None:
    """Add figures to a dataset's card, in place of those of the same name. DatasetError: if it is no dataset."""
    card = read_card(out)
    write_card(msgspec.structs.replace(card, figures={**card.figures, name: dict(figures)}), out)


class _AnyCard(msgspec.Struct, frozen=True):
    """What the cards of all versions have."""

    format: str


def read_card(out: Path) -> Card:
    """Read ``dataset.json``.

    DatasetError: if there is none (``not-a-dataset``), or it is of another version (``dataset-version``).
    """
    path = out / CARD
    hint = "Give the folder that `overt dataset build` wrote."
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise DatasetError(f"{path} is too large to be a dataset card", code="not-a-dataset", hint=hint)
        data = path.read_bytes()
        version = msgspec.json.decode(data, type=_AnyCard).format
        if version.startswith(FORMAT_NAME) and version != FORMAT:
            raise DatasetError(
                f"{out} is a dataset that another version of overt wrote: {version!r}, where this one reads {FORMAT!r}",
                code="dataset-version",
                hint="Build it again with this version: `overt dataset build` with the same --out takes its place.",
            )
        return msgspec.json.decode(data, type=Card)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DatasetError(f"{out} is not a dataset", code="not-a-dataset", hint=hint) from error
