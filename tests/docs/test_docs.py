"""The documents and the code say the same: what one names, the other has."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from capture_gate.decision import SENTENCES
from event_model import errors
from overt.cli import COMMANDS, EXIT_CODES

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("https://", "http://", "mailto:")):
            assert (document.parent / target).exists(), target


def test_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert "make demo" in text
    assert "make test" in text


def test_every_command_is_documented() -> None:
    text = (ROOT / "docs" / "CLI.md").read_text("utf-8")
    for name in COMMANDS:
        assert re.search(rf"`overt {name}\b", text), name


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs" / "CLI.md").read_text("utf-8")
    for _, code in EXIT_CODES:
        assert f"| {code} |" in text


def test_every_import_contract_is_an_invariant() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    assert {contract["id"] for contract in contracts} == set(re.findall(r"\[([a-z-]+)\](?!\()", text))


def test_architecture_can_be_read_in_one_sitting() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text("utf-8").splitlines()) < 300


def test_every_package_says_what_it_does_and_never_does() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["root_packages"]
    for package in packages:
        docstring = (ROOT / package / "__init__.py").read_text("utf-8")
        assert re.search(r"\bnever\b", docstring), package


def test_every_error_is_drawn_in_the_tree() -> None:
    drawn = errors.__doc__ or ""
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.OvertError):
            assert re.search(rf"\b{name}\b", drawn), name
            assert re.fullmatch(r"[a-z]+(-[a-z]+)*", value.code), name


def test_every_refusal_says_something_a_person_understands() -> None:
    for code, sentence in SENTENCES.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
        assert sentence.endswith("."), code


def test_no_file_names_a_machine_or_a_registry() -> None:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    forbidden = re.compile("|".join(["/" + "work/", "python" + "hosted", "registry." + "npmjs", "deb." + "debian"]))
    for name in filter(None, names):
        path = ROOT / name
        if path.is_file() and b"\0" not in (data := path.read_bytes())[:4096]:
            found = forbidden.search(data.decode("utf-8", "replace"))
            assert found is None, f"{name}: {found and found.group()}"
