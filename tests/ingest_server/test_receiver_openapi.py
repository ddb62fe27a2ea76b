"""The published interface against the running application: no crash, and no answer that is not written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.applications import Starlette
from starlette.routing import Route

from event_model.clock import ManualClock
from ingest_server import openapi
from ingest_server.app import create_app
from ingest_server.settings import ReceiverSettings
from tests.ingest_server.kit import NOW, RECEIVER_KEY, make_manifest


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Starlette:
    data: Path = tmp_path_factory.mktemp("data")
    study = make_manifest()
    return create_app(ReceiverSettings(data, (study,), RECEIVER_KEY, rate_per_minute=10**9), ManualClock(NOW))


@pytest.fixture(scope="module")
def api(app: Starlette) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", app)


OPERATIONS = [
    (path, method)
    for path, operations in openapi.document()["paths"].items()
    for method in operations
    if method != "parameters"
]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_a_documented_one(api: Any, path: str, method: str, mode: GenerationMode) -> None:
    if mode is GenerationMode.NEGATIVE and "{" not in path:
        mode = GenerationMode.POSITIVE  # it takes nothing, so nothing can be wrong with it
    cases = api[path][method].as_strategy(generation_mode=mode)

    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, known=st.booleans())
    def ask(case: Any, known: bool) -> None:
        if known and "study" in (case.path_parameters or {}):
            case.path_parameters["study"] = "study-a"  # else nearly everything would end at an unknown study
        # What refuses by signature refuses valid-looking data too: that one check does not apply here.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    ask()


def test_every_route_is_documented_and_nothing_else(app: Starlette) -> None:
    routes = {
        (route.path, method.lower())
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or ())
        if method != "HEAD"
    }
    documented = {
        (path, method)
        for path, operations in openapi.document()["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert documented == routes


async def test_a_receipt_is_as_documented(receiver: httpx.AsyncClient, person: Any) -> None:
    consent = await receiver.put(f"{person.path}/consent", content=person.consent())
    stored = await receiver.put(person.segment_path(0), content=person.envelope(0))
    refused = await receiver.put(person.segment_path(0), content=b"x")
    paths = openapi.document()["paths"]
    for answer, path in (
        (consent, "/v1/studies/{study}/participants/{pseudonym}/consent"),
        (stored, "/v1/studies/{study}/participants/{pseudonym}/segments/{epoch}/{number}"),
        (refused, "/v1/studies/{study}/participants/{pseudonym}/segments/{epoch}/{number}"),
    ):
        documented = paths[path]["put"]["responses"][str(answer.status_code)]
        jsonschema.validate(answer.json(), documented["content"]["application/json"]["schema"])
