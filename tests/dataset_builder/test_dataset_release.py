"""Releases: no name of the dataset comes through, two people approve, the log comes first, the budget is kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from dataset_builder.anonymise import MAX_SHIFT_MS, OTHER, Anonymiser, Coarseness
from dataset_builder.build import build
from dataset_builder.private_counts import CELLS_A_PERSON, Budget, noisy_people, read_budget, spending
from dataset_builder.reidentify import reidentify
from dataset_builder.release import RELEASE, check_release, release
from event_model.errors import DatasetError
from event_model.events import Body
from event_model.keys import Secret, SigningKey
from tests.dataset_builder.dataset_world import (
    HOUR_MS,
    NOON_MS,
    RECIPIENT,
    SALT,
    Clock,
    Contributor,
    closed,
    events_of,
    manifest,
    opened,
    start,
    typed,
)

APPROVERS = [SigningKey(Secret(bytes([number]) * 32)) for number in (1, 2)]
TEXT = "Aunt Agatha lives at 12 Elm Street"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people of whom one has a file of a kind that nobody else has."""
    root = tmp_path_factory.mktemp("release")
    for number in range(1, 7):
        person = Contributor(root / "receiver", number)
        for hour in range(2):
            path = "secret-project/plan.xyz" if number == 1 else f"src/agatha/main{number}.rs"
            bodies: list[Body] = [start(), opened("fn main() {}\n", path=path), *typed(TEXT), closed()]
            person.seal(events_of(bodies, clock=Clock(NOON_MS + hour * HOUR_MS, 100 + 40 * number)))
    build(source=root / "receiver", manifest=manifest(), secret=RECIPIENT, out=root / "dataset", salt=SALT)
    return root / "dataset"


@pytest.fixture
def make(built: Path, tmp_path: Path) -> Any:
    def make_it(**changes: Any) -> Any:
        settings: dict[str, Any] = {
            "licence": "For the benchmark only.",
            "statement": "Nobody's data.",
            "approvers": APPROVERS,
            "budget": tmp_path / "budget.json",
            "epsilon": 0.5,
            "total": 1.0,
            "log": lambda _digest: None,
        }
        target = tmp_path / changes.pop("out", "release")
        return release(built, target, **{**settings, **changes})

    return make_it


def test_nothing_of_the_dataset_names_anybody_in_a_release(built: Path, make: Any, tmp_path: Path) -> None:
    card = make()
    events = pq.read_table(next(built.glob("events/*/*/train.parquet"))).to_pylist()
    names = {row["contributor"] for row in events} | {row["session"] for row in events}
    for file in card.files:
        shown = str(pq.read_table(tmp_path / "release" / file.name).to_pylist())
        assert not any(name in shown for name in names), file.name
        assert not any(word in shown for word in ("agatha", "Agatha", "Elm", "secret-project", "xyz"))
    rows = pq.read_table(tmp_path / "release/events.parquet").to_pylist()
    assert sorted(Counter(row["contributor"] for row in rows).values()) == sorted(
        Counter(row["contributor"] for row in _all(built)).values()
    )
    typed_text = "".join(row["inserted"] for row in rows if row["inserted"])
    assert typed_text.startswith("Aaaa Aaaaaa aaaaa aa 00 Aaa Aaaaaa")


def _all(built: Path) -> list[dict[str, Any]]:
    return [row for file in built.glob("events/*/*/*.parquet") for row in pq.read_table(file).to_pylist()]


def test_a_release_is_approved_by_two_and_stands_in_the_log_first(make: Any, tmp_path: Path) -> None:
    told: list[tuple[str, bool]] = []
    make(log=lambda digest: told.append((digest, (tmp_path / "release").exists())))
    assert [stood for _digest, stood in told] == [False]
    card, signers = check_release(tmp_path / "release")
    assert len(signers) == 2
    assert (card.licence, card.k) == ("For the benchmark only.", 5)

    def refuse(_digest: str) -> None:
        raise DatasetError("the log is away", code="log")

    with pytest.raises(DatasetError):
        release(tmp_path, tmp_path / "x", licence="", statement="", approvers=[], budget=tmp_path / "b", epsilon=1,
                total=1, log=refuse)  # fmt: skip


@pytest.mark.parametrize(("round_s", "gap_s"), [(60, 2), (3_600, 30)])
def test_times_are_as_coarse_as_the_study_says(tmp_path: Path, round_s: int, gap_s: int) -> None:
    bodies: list[Body] = [start(), opened("fn main() {}\n"), *typed("let a = 1;"), closed()]
    Contributor(tmp_path / "r", 1).seal(events_of(bodies, clock=Clock(NOON_MS + 12_345, 7_777)))
    study = manifest(release_round_s=round_s, release_gap_s=gap_s)
    build(source=tmp_path / "r", manifest=study, secret=RECIPIENT, out=tmp_path / "d", salt=SALT)
    card = release(tmp_path / "d", tmp_path / "out", licence="L", statement="S", approvers=APPROVERS,
                   budget=tmp_path / "b.json", epsilon=0.5, total=1.0, log=lambda _digest: None)  # fmt: skip
    rows = pq.read_table(tmp_path / "out/events.parquet").to_pylist()
    assert card.coarseness == Coarseness(1000 * round_s, 1000 * gap_s)
    assert {row["time"].timestamp() % round_s for row in rows} == {0}
    assert {row["delta_ms"] % (1000 * gap_s) for row in rows} == {0}
    assert len({row["time"] for row in rows}) > 1 or round_s > 60


def test_no_log_no_release(make: Any, tmp_path: Path) -> None:
    def refuse(_digest: str) -> None:
        raise DatasetError("the log is away", code="log")

    with pytest.raises(DatasetError, match="the log is away"):
        make(log=refuse)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".release.lock", "budget.json.lock"]  # nothing was spent either
    make()
    spent = (tmp_path / "budget.json").read_bytes()
    with pytest.raises(DatasetError, match="the log is away"):
        make(log=refuse, out="another")
    assert (tmp_path / "budget.json").read_bytes() == spent
    assert not (tmp_path / "another").exists()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"approvers": APPROVERS[:1]}, "approvals-missing"),
        ({"approvers": [APPROVERS[0], APPROVERS[0]]}, "approvals-missing"),
        ({"licence": " "}, "release-incomplete"),
        ({"statement": ""}, "release-incomplete"),
        ({"epsilon": 1.5}, "budget-spent"),
        ({"epsilon": 0.0}, "budget-spent"),
        ({"epsilon": float("nan")}, "budget-spent"),
        ({"total": float("nan")}, "budget-spent"),
    ],
)
def test_a_release_that_lacks_something_is_refused(make: Any, tmp_path: Path, changes: Any, code: str) -> None:
    with pytest.raises(DatasetError) as caught:
        make(**changes)
    assert caught.value.code == code
    assert not (tmp_path / "release").exists()


def test_a_changed_release_is_seen(make: Any, tmp_path: Path) -> None:
    make()
    counts = tmp_path / "release/counts.parquet"
    whole = counts.read_bytes()
    counts.write_bytes(whole[:-1] + b"x")
    with pytest.raises(DatasetError, match=r"counts\.parquet"):
        check_release(tmp_path / "release")
    counts.write_bytes(whole)
    path = tmp_path / "release" / RELEASE
    path.write_text(path.read_text().replace("For the benchmark only.", "For anything.", 1))
    with pytest.raises(DatasetError) as caught:
        check_release(tmp_path / "release")
    assert caught.value.code == "approvals-missing"


def test_the_budget_is_kept_and_never_overdrawn(tmp_path: Path) -> None:
    path = tmp_path / "budget.json"

    def spend(what: str, epsilon: float, study: str = "pilot", total: float = 1.0) -> Any:
        return spending(path, study=study, total=total, what=what, epsilon=epsilon)

    with spend("one", 0.6):
        assert read_budget(path, study="pilot", epsilon=99.0) == Budget("pilot", 1.0, (("one", 0.6),))
        with pytest.raises(DatasetError) as caught, spend("meanwhile", 0.1):
            raise AssertionError("two at once")
        assert caught.value.code == "budget-busy"
    for wrong, code in (
        (spend("two", 0.5, total=99.0), "budget-spent"),
        (spend("x", 0.1, "other"), "budget-malformed"),
    ):
        with pytest.raises(DatasetError) as caught, wrong:
            raise AssertionError("spent")
        assert caught.value.code == code
    with pytest.raises(KeyboardInterrupt), spend("stopped", 0.4):
        raise KeyboardInterrupt
    assert read_budget(path, study="pilot", epsilon=99.0).spent == (("one", 0.6),)


def test_noise_has_the_size_that_the_budget_asks_for() -> None:
    cells = {(number,): frozenset(f"{number}-{person}" for person in range(1_000)) for number in range(400)}
    off = [abs(count - 1_000) for count in noisy_people(cells, epsilon=1.0).values()]
    assert 0.7 * CELLS_A_PERSON < sum(off) / len(off) < 1.3 * CELLS_A_PERSON


def test_one_person_is_in_so_many_cells_at_most() -> None:
    cells = {(number,): frozenset({"a"}) for number in range(500)}
    everywhere = noisy_people(cells, epsilon=1_000_000.0)
    assert sum(everywhere.values()) == CELLS_A_PERSON


def test_rows_are_anonymised_consistently() -> None:
    common = {"language": frozenset({"rust"}), "ending": frozenset({"rs"})}
    one = Anonymiser(bytes(32), Coarseness(60_000, 100), common)
    row = {"contributor": "ann", "session": "s1", "time": NOON_MS, "delta_ms": 149, "inserted": "Hi Ann 7",
           "path": "src/ann/plan.rs", "language": "rust", "position": 3}  # fmt: skip
    shown = one.row(row)
    assert shown == one.row(row)
    assert (shown["inserted"], shown["language"], shown["position"], shown["delta_ms"]) == ("Aa Aaa 0", "rust", 3, 100)
    assert shown["time"] % 60_000 == 0
    assert abs(shown["time"] - NOON_MS) <= MAX_SHIFT_MS + 60_000
    folder, name, file = shown["path"].split("/")
    assert folder == "src"
    assert name == one.place("x/ann").split("/")[1]
    assert file.endswith(".rs")
    assert "ann" not in shown["path"]
    assert one.row({**row, "language": "brainfuck"})["language"] == OTHER
    other_session = one.row({**row, "session": "s2"})
    assert other_session["time"] != shown["time"]
    other_key = Anonymiser(bytes([1]) * 32, Coarseness(60_000, 2_000), common).row(row)
    assert other_key["contributor"] != shown["contributor"]


def _rhythm(who: str, session: str, gap: int) -> list[dict[str, Any]]:
    return [
        {"contributor": who, "session": session, "kind": "document.edit", "origin": "typed", "client": "vim",
         "delta_ms": gap + number % 7}
        for number in range(80)
    ]  # fmt: skip


def test_the_attack_finds_people_by_their_rhythm() -> None:
    rows = [row for n in range(6) for s in "ab" for row in _rhythm(f"p{n}", f"{n}{s}", 80 + 30 * n)]
    found = reidentify(rows, {"p0": {"cobol"}}, k=3)
    assert (found.contributors, found.compared, found.linked, found.unique, found.below_k) == (6, 6, 6, 1, 1)
    flat = [msgspec.convert({**row, "delta_ms": 100 * round(row["delta_ms"] / 1000)}, dict[str, Any]) for row in rows]
    assert reidentify(flat, {}, k=3).linked <= 2
