"""Counts with differential privacy, by OpenDP, and the budget that they are taken from.

What is protected is a contributor: each may be in so many cells of a table, once in each, so that one person changes
the noisy counts of people by that much at most. Noise is from the discrete Laplace distribution.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from dataset_builder.staging import held
from event_model.errors import DatasetError

CELLS_A_PERSON = 8
"""In how many cells of one table a person counts; in more they are in the first ones by name."""


class Budget(msgspec.Struct, frozen=True):
    """How much of a study's privacy budget (epsilon) there is, and what it was spent on."""

    study: str
    epsilon: float
    spent: tuple[tuple[str, float], ...] = ()

    @property
    def left(self) -> float:
        """What can still be spent."""
        return self.epsilon - sum(amount for _what, amount in self.spent)


def read_budget(path: Path, *, study: str, epsilon: float) -> Budget:
    """Read a study's budget, or begin one of ``epsilon``. DatasetError: if the file is another study's or is none."""
    try:
        budget = msgspec.json.decode(path.read_bytes(), type=Budget)
    except FileNotFoundError:
        return Budget(study, epsilon)
    except (OSError, msgspec.DecodeError) as error:
        raise DatasetError(f"{path} is not a privacy budget", code="budget-malformed") from error
    if budget.study != study:
        raise DatasetError(f"{path} is the budget of {budget.study}", code="budget-malformed")
    return budget


@contextlib.contextmanager
def spending(path: Path, *, study: str, total: float, what: str, epsilon: float) -> Iterator[None]:
    """Take from a study's budget while something is made of it, of which nothing is shown if that fails.

    It is written down before anything is drawn; after a failure it is given back, after a crash it stays spent.
    ``total`` begins a budget. DatasetError: if too little is left (``budget-spent``), the file is no budget of the
    study (``budget-malformed``), or someone else is spending (``budget-busy``).
    """
    busy = DatasetError(
        "another release of this study is being made", code="budget-busy", hint="Wait until it is done."
    )
    with held(Path(f"{path}.lock"), busy):
        begun = path.exists()
        budget = read_budget(path, study=study, epsilon=total)
        if not 0 < epsilon <= budget.left + 1e-9:  # not a number is in no range
            raise DatasetError(
                f"{epsilon:g} is more than what is left of the budget ({max(0.0, budget.left):g})",
                code="budget-spent",
                hint="What was released stays released: a smaller --epsilon, or no more releases of this study.",
            )
        _write(path, msgspec.structs.replace(budget, spent=(*budget.spent, (what, epsilon))))
        try:
            yield
        except BaseException:
            if begun:
                _write(path, budget)
            else:
                path.unlink()
            raise


def _write(path: Path, budget: Budget) -> None:
    unfinished = path.with_name(f"{path.name}.new")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(budget), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def noisy_people(cells: Mapping[Any, frozenset[str]], *, epsilon: float) -> dict[Any, int]:
    """Count the people of each cell with noise; together the counts cost ``epsilon``."""
    import opendp.prelude as dp  # noqa: PLC0415 - 260 MB that only a release needs

    opendp: Any = dp  # its names are made at import, which type checkers do not see
    opendp.enable_features("contrib")
    scale = CELLS_A_PERSON / epsilon
    space = opendp.atom_domain(T=int), opendp.absolute_distance(T=int)
    noise = space >> opendp.m.then_laplace(scale=scale)
    # One person changes the count of each of their cells by one: the whole table costs the sum over those cells.
    if noise.map(1) * CELLS_A_PERSON > epsilon * (1 + 1e-6):
        raise DatasetError("the noise is too small for the budget", code="engine-failed")
    return {key: max(0, int(noise(len(people)))) for key, people in _bounded(cells).items()}


def _bounded(cells: Mapping[Any, frozenset[str]]) -> dict[Any, set[str]]:
    """Leave each person in ``CELLS_A_PERSON`` cells at most."""
    taken: dict[str, int] = {}
    kept: dict[Any, set[str]] = {}
    for key in sorted(cells, key=str):
        people = {person for person in cells[key] if taken.get(person, 0) < CELLS_A_PERSON}
        for person in people:
            taken[person] = taken.get(person, 0) + 1
        kept[key] = people
    return kept
