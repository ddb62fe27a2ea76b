"""Recall on cases that are made anew from the published forms of values, by family."""

from collections import defaultdict

import pytest

from benchmarks.redaction_made import made_cases
from privacy_filter.detectors import default_detector

LEAST = {
    "token": 0.99, "password": 0.95, "url_cred": 0.95, "national_id": 0.95, "email": 1.0, "mac": 1.0, "iban": 1.0,
    "credit_card": 1.0, "us_ssn": 1.0, "phone": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("whole_file", [True, False], ids=["file", "typed"])
def test_each_family_is_found_in_made_cases(whole_file):
    found = defaultdict(list)
    for case in made_cases(each=4, seed=20):
        hits = default_detector().find(case.text, whole_file=whole_file)
        found[case.family].append(case.covered_by([(hit.start, hit.end) for hit in hits]))
    assert set(found) == set(LEAST)
    assert {
        family: sum(hits) / len(hits) for family, hits in found.items() if sum(hits) < LEAST[family] * len(hits)
    } == {}


def test_made_cases_are_the_same_for_a_seed_and_marked_where_the_value_stands():
    first, again, other = made_cases(1, 5), made_cases(1, 5), made_cases(1, 6)
    assert first == again != other
    assert all(0 <= case.start < case.end <= len(case.text) for case in first)
    assert len({case.id for case in first}) == len(first)
