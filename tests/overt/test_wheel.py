"""The wheel as people install it: it holds what its commands need, and nothing of the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (made,) = folder.glob("*.whl")
    return made


@pytest.mark.system
def test_every_file_that_the_packages_read_is_in_it(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )
    packages = {path.parent.name for path in ROOT.glob("*/py.typed")} | {"overt"}
    wanted = {path for path in tracked if path.split("/")[0] in packages and "/" in path}
    assert wanted - held == set()
    assert not [name for name in held if name.startswith(("tests/", "benchmarks/", "extensions/"))]
    assert {"overt/plugins/neovim/plugin/overt.lua"} <= held


@pytest.mark.system
def test_set_up_works_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    ran = subprocess.run(
        [sys.executable, "-m", "overt", "setup", "neovim", "--yes", "--json"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(site),
            "HOME": str(tmp_path / "user"),
            "OVERT_HOME": str(tmp_path / "home"),
        },
        check=True,
        capture_output=True,
        text=True,
    )
    (told,) = json.loads(ran.stdout)
    assert str(tmp_path / "user") in told["changes"][0]
    copied = tmp_path / "user" / ".local" / "share" / "nvim" / "site" / "pack" / "overt" / "start" / "overt"
    assert (copied / "plugin" / "overt.lua").is_file()
