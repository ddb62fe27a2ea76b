"""The engine that may be added: it finds more, at the right place, and never without being asked for."""

import os
import subprocess
import sys

import pytest

from event_model.errors import FilterUnavailable
from privacy_filter.detectors import default_detector
from privacy_filter.detectors.layered import ENGINE_VARIABLE, KINGFISHER

pytest.importorskip("kingfisher_sdk", reason="the extra kingfisher is not installed")

# One process compiles the rules, which takes some seconds.
pytestmark = pytest.mark.xdist_group("kingfisher")

APP = "Endpoint=https://shop-7.azconfig.io;Id=Qx4T-l8-s0:Zk2vRw9uYb3nHs6dLp1m;"
TEXT = APP + "Secret=" + "h7Jq2vZx8Lw4Rk9Tn3Bs" + "6Yd1Fg5Mc0Pa+Ue/Io2WzXy="
"""Of a form that Kingfisher has a rule for; whether overt's own rules know it too does not matter here."""


@pytest.fixture(scope="module")
def chosen():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENGINE_VARIABLE, KINGFISHER)
        return default_detector()


def engine_hits(detector, text):
    from privacy_filter.detectors.window import Window

    hits = []
    detector._layers[-1].find(Window(text, whole_file=True), hits)
    return [(hit.kind, text[hit.start : hit.end]) for hit in hits]


def test_the_engine_finds_by_its_own_rules(chosen):
    token = "gh" + "p_" + "k3Jd8sLq0ZxC7vBn2MwE5rTyU9iOpA1fGhQ4"
    assert engine_hits(chosen, f"x = '{token}'\n") == [("github-pat", token)]
    assert engine_hits(chosen, "x = 1\n") == []


def test_its_places_count_code_points(chosen):
    token = "gh" + "p_" + "k3Jd8sLq0ZxC7vBn2MwE5rTyU9iOpA1fGhQ4"
    text = f"# \u00e9\u4e2d\U0001f600 \u00fc\nx = '{token}' # \u00df\n"
    assert engine_hits(chosen, text) == [("github-pat", token)]


def test_it_only_adds_to_what_is_found_without_it(chosen, monkeypatch):
    monkeypatch.delenv(ENGINE_VARIABLE, raising=False)
    plain = default_detector()
    assert len(chosen._layers) == len(plain._layers) + 1
    text = f'password = "Quarz-4711-halde"\nmail = "jane.doe@acme.example.io"\n{TEXT}\n'
    covered = {at for hit in chosen.find(text, whole_file=True) for at in range(hit.start, hit.end)}
    assert {at for hit in plain.find(text, whole_file=True) for at in range(hit.start, hit.end)} <= covered
    assert set(range(text.index("Secret=") + 7, len(text) - 1)) <= covered


def test_an_engine_that_is_not_there_is_no_filter(monkeypatch):
    monkeypatch.setenv(ENGINE_VARIABLE, "trawler")
    with pytest.raises(FilterUnavailable, match="trawler"):
        default_detector()
    monkeypatch.setitem(sys.modules, "kingfisher_sdk", None)
    from privacy_filter.detectors.kingfisher import KingfisherLayer

    with pytest.raises(FilterUnavailable, match="not installed") as caught:
        KingfisherLayer()
    assert "overt[kingfisher]" in caught.value.hint


def test_it_is_not_loaded_unless_it_was_chosen():
    code = "import sys; from privacy_filter.detectors import default_detector; default_detector(); "
    code += "print('kingfisher_sdk' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != ENGINE_VARIABLE}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
