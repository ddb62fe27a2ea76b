"""The study that a simulated fleet takes part in: made, filled in and signed as a study owner does."""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec

from consent_ledger.manifest import read_manifest
from consent_ledger.study import StudyManifest
from consent_ledger.study_checks import KINDS
from consent_ledger.study_parts import ScopeRules, WorkspaceRule
from consent_ledger.study_toml import manifest_to_toml
from event_model.levels import Level
from event_model.signed import Signed
from overt.commands.study import OWNER_KEY, create_study, load_toml, sign_study
from overt.keyfiles import read_signing_key
from overt.simulation.tickets import ORIGIN

TITLE = "A simulated fleet: nobody is recorded"
RECEIVER_URL = "http://127.0.0.1:8443"
DAY_MS = 86_400_000


def found_study(folder: Path, *, workspaces: Path, start_ms: int, end_ms: int) -> Signed[StudyManifest]:
    """Make a study in a folder for files under ``workspaces``, from one day to another, with nothing on hold."""
    create_study(folder, title=TITLE, receiver_url=RECEIVER_URL, paths=(f"{workspaces}/**",))
    manifest = load_toml(folder / "study.toml")
    manifest = msgspec.structs.replace(
        manifest,
        kinds=dict.fromkeys(KINDS, Level.CONTENT),
        scope=ScopeRules(workspaces=(WorkspaceRule(path=f"{workspaces}/**"),), web_origins=(ORIGIN,)),
        start=_date(start_ms - DAY_MS),
        end=_date(end_ms),
        hold_s=0,
    )
    (folder / "study.toml").write_text(manifest_to_toml(manifest), "utf-8")
    return read_manifest(sign_study(folder, read_signing_key(folder / OWNER_KEY)).read_bytes())


def _date(ms: int) -> str:
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC).date().isoformat()
