import random
import string

import pytest

from privacy_filter.detectors import default_detector
from privacy_filter.fields import Field, FieldSpan, find_in_fields


def found(*fields):
    pairs = [Field(*pair) for pair in fields]
    spans = find_in_fields(pairs, default_detector())
    assert all(0 <= span.start < span.end <= len(pairs[span.field].value) for span in spans)
    return {(span.field, pairs[span.field].value[span.start : span.end], span.kind) for span in spans}


def test_fields_find_a_card_that_a_form_takes_apart():
    # The test number of the card networks, in four fields, with others around it.
    parts = ["4111", "1111", "1111", "1111"]
    fields = [("holder", "Bob"), *(("", part) for part in parts), ("month", "12"), ("year", "28"), ("town", "Bern")]
    assert {(field, value) for field, value, kind in found(*fields) if kind == "payment-card"} == {
        (number, part) for number, part in enumerate(parts, 1)
    }


def test_fields_find_a_number_with_dashes_and_a_phone_number():
    assert {value for _, value, _ in found(("ssn", "219"), ("", "09"), ("", "9999"))} == {"219", "09", "9999"}
    assert {value for _, value, _ in found(("phone", "415"), ("", "555"), ("", "0132"))} == {"415", "555", "0132"}


def test_fields_find_a_token_in_two_halves():
    body = "".join(random.Random(3).choices(string.ascii_letters + string.digits, k=36))
    half = "gh" + "p_" + body[:10]
    assert {(field, value) for field, value, _ in found(("name", "ci"), ("a", half), ("b", body[10:]))} == {
        (1, half),
        (2, body[10:]),
    }


def test_fields_are_read_beside_their_names():
    assert found(("password", "Quarz-4711-halde")) == {(0, "Quarz-4711-halde", "password")}
    assert found(("colour", "Quarz-4711-halde")) == set()


@pytest.mark.parametrize(
    "fields",
    [
        [("first", "Berta"), ("last", "Meier"), ("town", "Bern")],
        [("day", "12"), ("month", "03"), ("year", "1990")],
        [("title", "Third quarter"), ("", ""), ("amount", "120"), ("unit", "kg")],
        [],
    ],
)
def test_fields_leave_ordinary_values_alone(fields):
    assert found(*fields) == set()


def test_fields_give_spans_that_do_not_overlap_in_order():
    spans = find_in_fields([Field("mail", "a.b@firm.io"), Field("token", "a.b@firm.io x")], default_detector())
    assert [type(span) for span in spans] == [FieldSpan, FieldSpan]
    assert [(span.field, span.start, span.end) for span in spans] == [(0, 0, 11), (1, 0, 11)]


def test_fields_of_a_large_form_are_read_in_bounded_time():
    class Counting:
        calls = 0

        def find(self, text, *, whole_file):
            self.calls += 1
            return []

    detector = Counting()
    find_in_fields([Field("", "12")] * 200, detector)
    assert detector.calls < 200 * 3 * 8
