"""Who may speak to the page: every rule by itself."""

from __future__ import annotations

import re
from itertools import count

import msgspec
import pytest

from overt.review.guard import COOKIE, TOKEN_MS, Facts, Guard

PORT = 4711
HOST = f"127.0.0.1:{PORT}"


@pytest.fixture
def guard() -> Guard:
    numbers = count()
    return Guard(PORT, now_ms=0, random=lambda size: f"secret-{size}-{next(numbers)}")


def cookie(guard: Guard) -> str:
    found = re.match(rf"{COOKIE}=([^;]+);", guard.set_cookie.decode())
    assert found is not None
    return f"{COOKIE}={found[1]}"


def good(guard: Guard, **changes: object) -> Facts:
    facts = Facts("GET", guard.base + "/", hosts=(HOST,), cookies=(cookie(guard),), sites=("same-origin",))
    return msgspec.structs.replace(facts, **changes)


def test_the_person_is_let_in(guard: Guard) -> None:
    assert guard.admits(good(guard))
    assert guard.admits(good(guard, method="POST", origins=(guard.origin,)))
    assert guard.admits(good(guard, sites=("none",)))


@pytest.mark.parametrize(
    "changes",
    [
        {"cookies": ()},
        {"cookies": (f"{COOKIE}=guess",)},
        {"cookies": (f"{COOKIE}=",)},
        {"cookies": ("other=1; garbage",)},
        {"hosts": ("localhost:4711",)},
        {"hosts": ("evil.example:4711",)},
        {"hosts": ("127.0.0.1",)},
        {"hosts": ()},
        {"hosts": (HOST, "evil.example")},
        {"origins": ("http://evil.example",)},
        {"origins": ("null",)},
        {"origins": (f"http://{HOST}", "http://evil.example")},
        {"sites": ("cross-site",)},
        {"sites": ("same-site",)},
        {"path": "/"},
        {"path": "/guessed-path/"},
        {"method": "PUT"},
        {"method": "OPTIONS"},
        {"method": "POST"},
        {"method": "POST", "origins": ("http://127.0.0.1:9",)},
    ],
    ids=str,
)
def test_everyone_else_is_refused(guard: Guard, changes: dict[str, object]) -> None:
    assert guard.admits(good(guard))
    assert not guard.admits(good(guard, **changes))


def test_the_token_opens_once_and_for_a_short_time(guard: Guard) -> None:
    query = guard.address.partition("?")[2]
    facts = Facts("GET", "/open", query, hosts=(HOST,))
    assert not guard.opens(facts, TOKEN_MS)
    assert not guard.opens(msgspec.structs.replace(facts, query="token=guess"), 1)
    assert not guard.opens(msgspec.structs.replace(facts, hosts=("evil.example",)), 1)
    assert not guard.opens(msgspec.structs.replace(facts, origins=("http://evil.example",)), 1)
    assert not guard.opens(msgspec.structs.replace(facts, method="POST"), 1)
    assert guard.opens(facts, 1)
    assert not guard.opens(facts, 2)


def test_a_form_needs_the_pages_own_token(guard: Guard) -> None:
    assert guard.sent_by_us({"csrf": [guard.csrf]})
    assert not guard.sent_by_us({"csrf": [guard.csrf + "x"]})
    assert not guard.sent_by_us({"csrf": [""]})
    assert not guard.sent_by_us({})


def test_the_cookie_is_the_persons_alone(guard: Guard) -> None:
    attributes = guard.set_cookie.decode().split("; ")[1:]
    assert set(attributes) == {f"Path={guard.base}", "HttpOnly", "SameSite=Strict"}


def test_two_pages_share_no_secret() -> None:
    one, two = Guard(1, now_ms=0), Guard(1, now_ms=0)
    assert one.base != two.base
    assert one.csrf != two.csrf
    assert one.set_cookie != two.set_cookie
    assert one.address != two.address
