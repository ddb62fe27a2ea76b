"""What a build tells: the report for whoever builds, and the card that goes with the dataset."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from consent_ledger.manifest import StudyManifest
from dataset_builder.card import (
    FORMAT,
    SPLIT_RULE,
    Card,
    CardProblem,
    Counts,
    SplitCounts,
    columns_of_examples,
    columns_of_tables,
    licence_of,
    study_of,
    write_card,
)
from dataset_builder.croissant import CROISSANT, croissant_of
from dataset_builder.parts import WrittenFile, describe_file
from dataset_builder.plan import Gap, Plan, Problem, SessionPlan
from dataset_builder.rebuild import SessionResult


class Reused(msgspec.Struct, frozen=True):
    """What a build took over from the one before."""

    objects: int
    sessions: int
    files: int


class BuildReport(msgspec.Struct, frozen=True):
    """What a build did.

    ``problems`` name the objects with the study's pseudonyms, for whoever builds; the dataset itself does not.
    """

    out: Path
    counts: Counts
    splits: dict[str, SplitCounts]
    problems: tuple[Problem, ...]
    sessions_set_aside: tuple[SessionResult, ...]
    gaps: tuple[Gap, ...]
    examples_left_out: dict[str, int]
    files: tuple[WrittenFile, ...]
    reused: Reused = Reused(0, 0, 0)

    @property
    def exact(self) -> bool:
        """Whether every document replays to the character, and nothing was set aside."""
        counts = self.counts
        return counts.documents == counts.documents_exact and not (
            counts.segments_set_aside or counts.sessions_set_aside or counts.events_missing
        )


def make_report(
    new: Path,
    manifest: StudyManifest,
    plan: Plan,
    results: dict[SessionPlan, SessionResult],
    splits: dict[str, SplitCounts],
    files: list[WrittenFile],
) -> BuildReport:
    """Write the Croissant metadata and the card, and make the report."""
    aside = tuple(results[session] for session in sorted(results, key=_by_name) if results[session].code)
    counts = _counts(plan, results, splits)
    (new / CROISSANT).write_bytes(croissant_of(manifest, files))
    files = [*files, describe_file(new, new / CROISSANT, 0)]
    left_out: Counter[str] = Counter()
    for result in results.values():
        left_out.update(result.skipped)
    left_out["duplicate"] = sum(each.duplicates for each in splits.values())
    card = Card(
        format=FORMAT,
        study=study_of(manifest),
        licence=licence_of(manifest),
        counts=counts,
        splits=splits,
        split_rule=SPLIT_RULE,
        tables=columns_of_tables(),
        next_edit=columns_of_examples(),
        examples_left_out=dict(sorted(left_out.items())),
        problems=_card_problems(plan, results),
        gaps=plan.gaps,
        files=tuple(files),
    )
    write_card(card, new)
    return BuildReport(
        out=new,
        counts=counts,
        splits=splits,
        problems=plan.problems,
        sessions_set_aside=aside,
        gaps=plan.gaps,
        examples_left_out=card.examples_left_out,
        files=card.files,
    )


def _counts(plan: Plan, results: dict[SessionPlan, SessionResult], splits: dict[str, SplitCounts]) -> Counts:
    kept = [result for result in results.values() if not result.code]
    return Counts(
        objects=plan.objects,
        segments_set_aside=sum(problem.set_aside for problem in plan.problems),
        sessions_set_aside=len(results) - len(kept),
        events=sum(result.events for result in kept),
        events_missing=sum(gap.count for gap in plan.gaps),
        edits=sum(result.edits for result in kept),
        edits_applied=sum(result.edits_applied for result in kept),
        documents=sum(result.documents for result in kept),
        documents_exact=sum(result.documents_exact for result in kept),
        masks=sum(result.masks for result in kept),
        masks_second_pass=sum(result.masks_second_pass for result in kept),
        masked_spans=sum(result.masked_spans for result in kept),
        examples=sum(split.examples for split in splits.values()),
    )


def _card_problems(plan: Plan, results: dict[SessionPlan, SessionResult]) -> tuple[CardProblem, ...]:
    problems = [
        CardProblem(
            problem.code, problem.contributor, f"segment {problem.epoch}/{problem.number}", problem.detail,
            problem.set_aside,
        )
        for problem in plan.problems
    ]  # fmt: skip
    for session, result in results.items():
        who, place = session.contributor, f"session {session.session}"
        if result.code:
            problems.append(CardProblem(result.code, who, place, result.detail, set_aside=True))
        elif result.conflicts:
            detail = f"{result.conflicts} findings share a number with another; the first one holds"
            problems.append(CardProblem("finding-conflict", who, place, detail, set_aside=False))
    return tuple(sorted(problems, key=lambda each: (each.contributor, each.place, each.code)))


def _by_name(session: SessionPlan) -> tuple[str, str]:
    return session.contributor, session.session
