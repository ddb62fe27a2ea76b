"""The rules of ProgSnap2 1.0 for the main table, as its toolkit's schema has them."""

from __future__ import annotations

import datetime
from collections.abc import Container, Mapping

PROGSNAP2_PROPERTIES = {
    "Version",
    "IsEventOrderingConsistent",
    "EventOrderScope",
    "EventOrderScopeColumns",
    "CodeStateRepresentation",
    "ProgramInputLinkTable",
}

_REQUIRED = {"EventType", "EventID", "CodeStateID", "SubjectID", "ToolInstances"}
_OPTIONAL = {
    "Order", "ClientTimestamp", "ServerTimestamp", "CourseID", "CourseSectionID", "TermID", "AssignmentID",
    "AssignmentIsGraded", "ProblemID", "ProblemIsGraded", "Attempt", "ExperimentalCondition", "TeamID",
    "LoggingErrorID", "IsFabricatedEvent",
}  # fmt: skip
_OF_KIND = {
    "File.Create": ({"CodeStateSection"}, {"EventInitiator"}),
    "File.Close": ({"CodeStateSection"}, {"EventInitiator"}),
    "File.Save": ({"CodeStateSection"}, {"EventInitiator"}),
    "File.Edit": ({"CodeStateSection", "EditType"}, {"EventInitiator", "SourceLocation"}),
}
"""The kinds of events that are written, of the schema's 23: what each needs, and what each may have besides."""

_VALUES = {
    "EditType": {
        "Insert", "Delete", "Replace", "Move", "Paste", "Undo", "Redo", "Refactor", "Reset", "GenericEdit",
    },
    "EventInitiator": {
        "UserDirectAction", "UserIndirectAction", "ToolReaction", "ToolTimedEvent", "InstructorDirectAction",
        "InstructorIndirectAction", "TeamMemberDirectAction", "TeamMemberIndirectAction",
    },
}  # fmt: skip


def progsnap2_errors(row: Mapping[str, str | None], states: Container[str]) -> list[str]:
    """Name what is wrong with a row. A required value may be blank, not missing; a column that is not used is blank."""
    given = {name for name, value in row.items() if value or (value is not None and name in _REQUIRED)}
    kind = row["EventType"] or ""
    if kind not in _OF_KIND:
        return [f"no kind of event: {kind}"]
    needed, more = _OF_KIND[kind]
    errors = [f"missing: {name}" for name in (_REQUIRED | needed) - given]
    errors += [f"unexpected: {name}" for name in given - _REQUIRED - _OPTIONAL - needed - more]
    errors += [
        f"no such value: {row[name]}" for name, known in _VALUES.items() if name in given and row[name] not in known
    ]
    moment = row.get("ClientTimestamp")
    if moment and datetime.datetime.fromisoformat(moment).utcoffset() is None:
        errors.append("a time without offset")
    if row.get("CodeStateID") and row["CodeStateID"] not in states:
        errors.append("a state that is not there")
    return errors
