"""The table of promises names files and tests that exist, and every test it names can fail."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "PROMISES.md").read_text("utf-8").splitlines()
    if line.startswith("| **")
]


def test_the_table_has_rows() -> None:
    assert len(ROWS) >= 15
    assert all(len(row) == 3 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][2:40])
def test_every_file_and_test_of_a_promise_exists(row: list[str]) -> None:
    files, tests = re.findall(r"`([^`]+)`", row[1]), re.findall(r"`([^`]+)`", row[2])
    assert files
    assert tests
    for name in files:
        assert (ROOT / name).is_file(), name
    for name in tests:
        path, _, function = name.partition("::")
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        found = [
            each
            for each in ast.walk(tree)
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == function
        ]
        assert len(found) == 1, name
        checks = any(isinstance(each, ast.Assert) for each in ast.walk(found[0]))
        assert checks or re.search(r"\b(expect|raises)\(", ast.unparse(found[0])), name
