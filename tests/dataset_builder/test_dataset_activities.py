"""The rules of activities, held to what simulated people were about."""

from __future__ import annotations

from benchmarks.activities import measure
from overt.simulation.fleet import FleetPlan


def test_rules_name_more_minutes_rightly_than_guessing_and_know_how_sure_they_are() -> None:
    found = measure(FleetPlan(12, 1, 5))
    assert found["minutes"] > 100
    assert found["accuracy"] > found["majority"] + 0.1
    for name, recall in (("writing", 0.6), ("debugging", 0.5), ("form-filling", 0.9)):
        assert found["recall"][name] > recall
    unsure = [tuple(found["by_confidence"][step]) for step in ("0", "20", "40") if step in found["by_confidence"]]
    sure = [tuple(found["by_confidence"][step]) for step in ("60", "80") if step in found["by_confidence"]]
    assert _right(sure) > _right(unsure) + 0.1


def _right(groups: list[tuple[int, float]]) -> float:
    return sum(count * share for count, share in groups) / sum(count for count, _share in groups)
