import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_model.levels import Level
from privacy_filter.routes import MAX_ROUTE_CHARS, route_template

HOST = "https://tools.example.com"

KEPT = [
    ("/", "/"),
    ("/orders/8841/edit", "/orders/:id/edit"),
    ("/api/v2/orders", "/api/v2/orders"),
    ("/oauth2/callback?code=abc&state=xyz", "/oauth2/callback?code&state"),
    ("/issues/OPS-1234", "/issues/:id"),
    ("/t/3f2504e0-4f89-11d3-9a0c-0305e82c3301/view", "/t/:id/view"),
    ("/reset/aGVsbG8gd29ybGQx", "/reset/:id"),
    ("/invite/deadbeefcafe", "/invite/:id"),
    ("/page/CANPATHSEG?token=CANQTOKEN#CANHASHTOKEN", "/page/:id?token"),
    ("/page/bob%40corp.example", "/page/:id"),
    ("/users/alice", "/users/:id"),
    ("/users/new", "/users/new"),
    ("/u/bob/settings", "/u/:id/settings"),
    ("/~carol/notes", "/:id/notes"),
    ("/wiki/why-we-let-john-smith-go", "/wiki/:id"),
    ("/wiki/john.smith", "/wiki/:id"),
    ("/cart;jsessionid=1A2B3C4D5E6F", "/cart"),
    ("/userSettings/index.html", "/userSettings/index.html"),
    ("/lab/tree/Untitled%20report.ipynb", "/lab/tree/:id"),
    ("/d/2024-11-05/stand_up", "/d/:id/stand_up"),
    ("/search?q=my+disease&page=2&page=3", "/search?page&q"),
    ("/x?8f14e45fceea167a&alice%40corp.example=1&a[]=3", "/x?a[]"),
]


@pytest.mark.parametrize(("path", "template"), KEPT)
def test_route_keeps_places_and_no_values(path, template):
    assert route_template(HOST + path, Level.CONTENT) == HOST + template


def test_route_below_content_shows_classes_only():
    url = HOST + "/page/CANPATHSEG/Jörg?token=CANQTOKEN#x"
    assert route_template(url, Level.SHAPE) == HOST + "/aaaa/AAAAAAAAAA/Aaaa"
    assert route_template(HOST + "/users/:id", Level.SHAPE) == HOST + "/aaaaa/:id"
    assert route_template(url, Level.RHYTHM) == ""


def test_route_has_no_user_no_password_no_usual_port():
    assert route_template("HTTPS://bob:pw1@Host.Example:443/a", Level.CONTENT) == "https://host.example/a"
    assert route_template("http://[::1]:8080/a", Level.CONTENT) == "http://[::1]:8080/a"


@pytest.mark.parametrize(
    ("url", "template"),
    [
        ("data:text/html,my%20secret", "data:"),
        ("blob:https://a.example/3f2504e0", "blob:"),
        ("file:///home/bob/tax.pdf", "file:"),
        ("about:blank", "about:"),
        ("http://host:99999999/x", ""),
        ("http://[::1/x", ""),
        ("https:///nothing", ""),
        ("bob", ""),
        ("", ""),
    ],
)
def test_route_of_what_is_no_page_is_next_to_nothing(url, template):
    assert route_template(url, Level.CONTENT) == template


WORD = st.text(st.characters(codec="utf-8"), max_size=12)


@given(st.lists(WORD, max_size=6), st.dictionaries(WORD, WORD, max_size=4), WORD, st.sampled_from(Level))
def test_route_of_a_route_is_itself(segments, query, fragment, level):
    pairs = "&".join(f"{name}={value}" for name, value in query.items())
    once = route_template(f"{HOST}/{'/'.join(segments)}?{pairs}#{fragment}", level)
    assert route_template(once, level) == once


@given(st.text(max_size=60), st.sampled_from(Level))
def test_route_takes_any_text(text, level):
    once = route_template(text, level)
    assert route_template(once, level) == once


def test_route_is_bounded():
    route = route_template(HOST + "/place" * 5_000, Level.CONTENT)
    assert len(route) <= MAX_ROUTE_CHARS
    assert route.endswith("/place")
