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
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from event_model.clock import ManualClock
from event_model.keys import SigningKey
from event_model.request_signatures import sign_request
from ingest_server import openapi
from ingest_server.app import create_app
from ingest_server.settings import ReceiverSettings
from tests.ingest_server.kit import NOW, RECEIVER_KEY, Person, make_manifest


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Starlette:
    data: Path = tmp_path_factory.mktemp("data")
    study = make_manifest()
    return create_app(ReceiverSettings(data, (study,), RECEIVER_KEY, rate_per_minute=10**9), ManualClock(NOW))


class Signing:
    """Signs what comes without a signature of its own, so that the questions behind it are asked too."""

    def __init__(self, app: Starlette, key: SigningKey) -> None:
        self._app, self._key = app, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or b"/participants/" not in scope["raw_path"]:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        query = scope["query_string"]
        target = scope["raw_path"].partition(b"?")[0] + (b"?" + query if query else b"")
        signed = sign_request(request.method, target.decode("latin-1"), body, self._key, now_s=NOW // 1000)
        mine = [(name.encode(), value.encode()) for name, value in signed.items()]
        others = [(name, value) for name, value in scope["headers"] if name.decode("latin-1") not in signed]
        parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return parts.pop() if parts else await receive()

        await self._app({**scope, "headers": others + mine}, again, send)


@pytest.fixture(scope="module", params=["signed", "as-it-comes"])
def api(request: pytest.FixtureRequest, app: Starlette) -> Any:
    served: Any = Signing(app, Person(make_manifest()).key) if request.param == "signed" else app
    return schemathesis.openapi.from_asgi("/openapi.json", served)


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
            if "pseudonym" in case.path_parameters:
                case.path_parameters["pseudonym"] = Person(make_manifest()).pseudonym
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
