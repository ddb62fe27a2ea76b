"""The benchmarks of the filter on small sets that are made here: what they count is what is there."""

import gzip
import json
import random
import string
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.redaction import on_cases, on_code
from benchmarks.redaction_cases import Case, read_cases, read_corpus
from benchmarks.redaction_engines import ENGINES, Found
from benchmarks.redaction_plants import WAYS, Op

ROOT = Path(__file__).parents[2]
TOKEN = "gh" + "p_" + "".join(random.Random(8).choices(string.ascii_letters + string.digits, k=36))
PASSWORD = "Quarz-4711-halde"


def case(number, label, text, secret=None, kind="k", family="f"):
    start = None if secret is None else text.index(secret)
    end = None if start is None else start + len(secret)
    return {
        "id": f"c{number}",
        "label": label,
        "kind": kind,
        "family": family,
        "text": text,
        "start": start,
        "end": end,
    }


CASES = [
    case(1, "secret", f'x = "{TOKEN}"\n', TOKEN, family="vcs_ci"),
    case(2, "secret", f"password: {PASSWORD}\n", PASSWORD, family="password"),
    case(3, "secret", "the word is xyzzy\n", "xyzzy", family="generic"),
    case(4, "pii", "mail me: a.person@firm.io", "a.person@firm.io", kind="email"),
    case(5, "negative", "commit 3f786850e387550fdab836ed7e6dc881de23001b", kind="git_sha"),
    case(6, "negative", "password = get_password()", kind="call"),
]


@pytest.fixture
def cases(tmp_path):
    path = tmp_path / "cases.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(json.dumps(each) for each in CASES).encode()))
    return path


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.py").write_text("import os\n" * 2_000)
    (folder / "b.py").write_text(f'TOKEN = "{TOKEN}"\n' + "print(1)\n" * 2_000)
    (folder / "large.js").write_text("x" * 20_000)
    (folder / "picture.png").write_bytes(b"\x00" * 100)
    return folder


def test_cases_are_counted_by_label_and_family(cases):
    figures = on_cases(ENGINES["overt"](), read_cases(cases))
    assert figures["recall"] == {"secret": 0.6667, "pii": 1.0}
    assert figures["recall_by_family"]["password"] == {"found": 1, "of": 1, "recall": 1.0}
    assert figures["recall_by_family"]["generic"] == {"found": 0, "of": 1, "recall": 0.0}
    flagged = figures["hard_negatives_flagged"]
    assert (flagged["flagged"], flagged["of"], flagged["of_not_hash_like"]) == (0, 2, 1)


def test_an_engine_that_flags_everything_is_seen_to(cases):
    figures = on_cases(lambda _name, text: [Found(0, len(text))], read_cases(cases))
    assert figures["recall"] == {"secret": 1.0, "pii": 1.0}
    assert figures["hard_negatives_flagged"]["share"] == 1.0


def test_a_case_counts_at_95_percent():
    found = Case("1", "secret", "k", "f", "x" * 100, 0, 100)
    assert found.covered_by([(0, 50), (45, 95)])
    assert not found.covered_by([(0, 94)])


def test_false_positives_are_counted_on_text_that_people_write(corpus):
    assert sorted(name for name, _ in read_corpus(corpus, 10)) == ["a.py", "b.py"]
    figures = on_code(ENGINES["overt"](), corpus, 10)
    assert figures["corpus_files"] == 2
    assert figures["false_positives_per_mb"] == round(1 / figures["corpus_mb"], 2) or figures["corpus_mb"] < 0.05


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_planting_writes_the_secret(way):
    pre, secret, post = 'key = "', TOKEN, '"\n'
    text, brought = "", set()
    for op in WAYS[way](pre, secret, post, random.Random(3)):
        if op is not None:
            assert isinstance(op, Op)
            text = text[: op.position] + op.inserted + text[op.position + op.deleted :]
            if op.at >= 0:
                assert secret[op.at : op.at + len(op.inserted)] == op.inserted
                brought.update(range(op.at, op.at + len(op.inserted)))
    ending = {"erased_by_keys": pre + post, "erased_at_once": pre + post, "abandoned": pre + secret[:-3]}
    double = {"twice": f"{pre}{secret}{post}\n{pre}{secret}{post}", "halves_apart": f"{pre}{secret}{post}\n"}
    assert text == {**ending, **double}.get(way, pre + secret + post)
    assert len(brought) == len(secret) - 3 * (way == "abandoned")


def run(*arguments):
    ran = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    return json.loads(ran.stdout.splitlines()[-1])


def test_redaction_gives_one_line_with_all_three(cases, corpus):
    result = run("benchmarks.redaction", cases, "--corpus", corpus)
    assert list(result) == ["overt", "gitleaks_rules", "detect_secrets"]
    for name, figures in result.items():
        wanted = {
            "recall", "recall_by_family", "hard_negatives_flagged", "false_positives_per_mb", "mb_per_s",
            "us_per_window_p50", "us_per_window_p99", "rss_mb",
        }  # fmt: skip
        assert wanted <= set(figures), (name, figures)
        assert figures["recall_by_family"]["vcs_ci"]["found"] == 1, name


def test_redaction_types_each_case_where_it_is_told_to(cases, corpus):
    assert (
        run("benchmarks.redaction", cases, "--corpus", corpus, "--mode", "typed", "--only", "overt")["overt"]["mode"]
        == "typed"
    )


def test_typed_secrets_reads_back_what_the_gate_sealed(cases):
    trace = ROOT / "overt" / "demo" / "rustcode-excerpt.json.gz"
    result = run("benchmarks.typed_secrets", trace, "--cases", cases, "--plants", 18, "--seed", 2)
    assert (result["plants"], result["ways"], result["replay_exact"]) == (18, 18, True)
    assert (result["leaked_chars"], result["plants_with_8_in_a_row"]) == (0, 0)
    assert result["us_per_edit_mean"] > 0
