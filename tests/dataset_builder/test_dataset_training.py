"""The training example: it reads a dataset, learns from it, and says how it does beside its baselines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dataset_builder.card import read_card
from overt.cli import overt

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_next_edit.py"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet of twelve, built: two people or more are held out."""
    root = tmp_path_factory.mktemp("training")
    run = CliRunner().invoke
    made = run(overt, ["simulate", str(root / "f"), "--people", "12", "--days", "2", "--edits", "200", "--json"])
    assert made.exit_code == 0, made.output
    study = root / "f" / "study"
    built = run(overt, ["dataset", "build", str(root / "f/received"), "--study", str(study / "study.json"), "--key",
                        str(study / "study.key"), "--out", str(root / "d"), "--fresh", "--json"])  # fmt: skip
    assert built.exit_code == 0, built.output
    test = root / "d/next_edit/test.jsonl"
    if not test.read_bytes():  # the held-out person wrote no code: hold out the latest sessions instead
        test.write_bytes((root / "d/next_edit/validation.jsonl").read_bytes())
    return root / "d"


def test_a_small_model_learns_from_the_examples(dataset: Path) -> None:
    command = [sys.executable, str(EXAMPLE), str(dataset), "--card"]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    found = json.loads(run.stdout.splitlines()[-1])
    losses = [float(line.rpartition(" ")[2]) for line in run.stderr.splitlines()]
    assert losses[-1] < 0.8 * losses[0]
    assert found["held_out_examples"] > 20
    assert found["model"] > found["n_gram"]
    assert found["model"] <= found["reachable"]
    assert read_card(dataset).figures["train_next_edit"] == found
