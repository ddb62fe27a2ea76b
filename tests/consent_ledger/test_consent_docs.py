"""docs/STUDY.md names everything that a study owner or a person can meet."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from consent_ledger import study_checks
from consent_ledger.denies import FILES, FILES_WITHOUT_SUFFIX, FOLDERS
from consent_ledger.manifest import KINDS, StudyManifest, manifest_from_toml
from consent_ledger.record import ConsentState
from consent_ledger.scope import DENIED_PATH, OUT_OF_SCOPE
from consent_ledger.study_parts import Controller, Purpose, Receiver, ScopeRules, WorkspaceRule
from consent_ledger.verdict import REFUSALS
from event_model.keys import RECIPIENT_PUBLIC_BYTES
from event_model.levels import Level

STUDY_MD = Path(__file__).parents[2] / "docs" / "STUDY.md"


@pytest.fixture(scope="module")
def text() -> str:
    return STUDY_MD.read_text("utf-8")


def test_example_of_the_reference_is_a_valid_study(text: str, manifest: StudyManifest) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    filled = example.replace("RECIPIENT-KEY", manifest.recipients[0]).replace("RECEIVER-KEY", manifest.receiver.key)
    study = manifest_from_toml(filled)
    written = set(msgspec.to_builtins(study)) - {"schema", "notice_digest"}
    assert all(re.search(rf"^(\[*{field}\]*$|{field} =)", example, re.MULTILINE) for field in written)


@pytest.mark.parametrize("field", StudyManifest.__struct_fields__)
def test_every_field_of_the_manifest_has_a_row(text: str, field: str) -> None:
    assert f"\n| `{field}` |" in text


@pytest.mark.parametrize("part", [Controller, Purpose, Receiver, ScopeRules, WorkspaceRule])
def test_every_field_of_the_manifests_parts_is_named(text: str, part: type[msgspec.Struct]) -> None:
    for field in part.__struct_fields__:
        assert f"`{field}`" in text or f"`scope.{field}`" in text, field


def test_every_kind_level_code_and_state_is_named(text: str) -> None:
    for name in (*KINDS, *(level.value for level in Level), OUT_OF_SCOPE, DENIED_PATH):
        assert f"`{name}`" in text, name
    for code, sentence in REFUSALS.items():
        assert f"| `{code}` | {sentence} |" in text
    for state in ConsentState:
        assert f"\n| {state.value} |" in text


@pytest.mark.parametrize("glob", [*FOLDERS, *FILES, *FILES_WITHOUT_SUFFIX])
def test_every_built_in_deny_rule_is_named(text: str, glob: str) -> None:
    assert f"`{glob}`" in text


def test_limits_and_defaults_are_those_of_the_code(text: str) -> None:
    rows = {match[1]: match[0] for match in re.finditer(r"^\| `(\w+)` \|.*$", text, re.MULTILINE)}
    for field, numbers in {
        "version": (study_checks.MAX_VERSION,),
        "title": (study_checks.MAX_LINE,),
        "purposes": (study_checks.MAX_TEXT, study_checks.MAX_ENTRIES),
        "hold_s": (study_checks.MAX_HOLD_S, study_checks.DEFAULT_HOLD_S),
        "settle_s": (study_checks.MIN_SETTLE_S, study_checks.MAX_SETTLE_S, study_checks.DEFAULT_SETTLE_S),
        "retention_days": (study_checks.MAX_RETENTION_DAYS,),
        "release_round_s": (
            study_checks.MIN_RELEASE_ROUND_S,
            study_checks.MAX_RELEASE_ROUND_S,
            study_checks.DEFAULT_RELEASE_ROUND_S,
        ),
        "release_gap_s": (
            study_checks.MIN_RELEASE_GAP_S,
            study_checks.MAX_RELEASE_GAP_S,
            study_checks.DEFAULT_RELEASE_GAP_S,
        ),
        "k": (study_checks.MIN_K, study_checks.MAX_K, study_checks.DEFAULT_K),
        "recipients": (RECIPIENT_PUBLIC_BYTES, study_checks.MAX_ENTRIES),
        "notice": (study_checks.MAX_NOTICE,),
        "schema": (study_checks.MANIFEST_SCHEMA,),
    }.items():
        for number in numbers:
            assert re.search(rf"\b{number}\b", rows[field]), (field, number)


def test_files_on_the_device_are_those_that_exist(text: str, tmp_path: Path) -> None:
    from consent_ledger.folder import StudyFolder
    from event_model.ids import StudyId

    folder = StudyFolder(tmp_path, StudyId("demo"))
    for path in (folder.manifest, folder.record, folder.narrowing, folder.offered, folder.declined):
        assert f"`consent/<study>/{path.name}`" in text
