"""Signing on from a device: a browser, a real provider on loopback, and whoever else knocks at the port meanwhile."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from event_model.errors import UploadError
from event_model.sign_on import SignOnSettings, safe_address
from sync_client.sign_on import _Landing, fetch_token
from tests.sign_on_provider import CLIENT, Provider, provider_running

PATIENCE_S = 60.0
NONCE = "n" * 43


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provider_running() as running:
        yield running


async def browse(address: str) -> httpx.Response:
    """Do what a browser of a person who is signed on already does."""
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as http:
        return await http.get(address)


async def signed_on(
    provider: Provider, browser: Callable[[str], asyncio.Task[object]], *, wait_s: float = PATIENCE_S
) -> str:
    tasks: list[asyncio.Task[object]] = []
    settings = SignOnSettings(provider.issuer, CLIENT)
    try:
        return await fetch_token(settings, NONCE, show=lambda address: tasks.append(browser(address)), wait_s=wait_s)
    finally:
        await asyncio.gather(*tasks, return_exceptions=True)


def at_once(address: str) -> asyncio.Task[object]:
    return asyncio.create_task(browse(address))


async def test_a_person_who_signs_on_gets_a_token_for_this_installation(provider: Provider) -> None:
    token = await signed_on(provider, at_once)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert (claims["nonce"], claims["aud"], claims["sub"]) == (NONCE, CLIENT, provider.subject)


async def test_who_knocks_with_another_state_is_not_heard(provider: Provider) -> None:
    async def browser(address: str) -> None:
        landing = parse_qs(urlsplit(address).query)["redirect_uri"][0]
        async with httpx.AsyncClient(trust_env=False) as http:
            for query in ("", "?code=stolen", "?code=stolen&state=", "?error=access_denied&state=x"):
                assert (await http.get(landing + query)).status_code == 404
            assert (await http.post(landing)).status_code == 404
            state = parse_qs(urlsplit(address).query)["state"][0]
            assert (await http.post(f"{landing}?code=stolen&state={state}")).status_code == 404
        port = urlsplit(landing).port
        assert port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x00" * 100_000)
        writer.close()
        assert await reader.read() == b""
        assert (await browse(address)).text.startswith("Signed on")

    token = await signed_on(provider, lambda address: asyncio.create_task(browser(address)))
    assert token.count(".") == 2
    assert provider.asked["/token"] == 1


async def test_only_the_first_answer_counts() -> None:
    async with _Landing("s") as landing, httpx.AsyncClient(trust_env=False) as http:
        answers = [await http.get(f"{landing.address}?code={code}&state=s") for code in ("mine", "late")]
        assert [answer.status_code for answer in answers] == [200, 404]
        assert await landing.code == "mine"


async def test_the_port_is_closed_afterwards(provider: Provider) -> None:
    landings = []

    def browser(address: str) -> asyncio.Task[object]:
        landings.append(parse_qs(urlsplit(address).query)["redirect_uri"][0])
        return at_once(address)

    await signed_on(provider, browser)
    with pytest.raises(httpx.ConnectError):
        await browse(landings[0])


async def test_who_does_not_sign_on_is_told(provider: Provider) -> None:
    with pytest.raises(UploadError) as caught:
        await signed_on(provider, lambda _address: asyncio.create_task(asyncio.sleep(0)), wait_s=0.05)
    assert caught.value.code == "sign-on-timeout"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("denied", "says 'access_denied'"),
        ("issuer", "calls itself by another name"),
        ("plain", "names an address without https"),
        ("plain page", "names an address without https"),
        ("endless description", "answers without end"),
        ("failing description", "answers 500"),
    ],
)
async def test_a_provider_that_refuses_or_can_not_be_believed(provider: Provider, wrong: str, told: str) -> None:
    provider.wrong = wrong
    with pytest.raises(UploadError, match=told) as caught:
        await signed_on(provider, at_once)
    assert caught.value.code == "sign-on-failed"


async def test_a_provider_that_is_not_there() -> None:
    settings = SignOnSettings("http://127.0.0.1:9", CLIENT)
    with pytest.raises(UploadError, match="can't be reached"):
        await fetch_token(settings, NONCE, show=print, wait_s=PATIENCE_S)


async def test_a_provider_without_https_is_never_asked() -> None:
    with pytest.raises(UploadError) as caught:
        await fetch_token(SignOnSettings("http://example.org", CLIENT), NONCE, show=print, wait_s=PATIENCE_S)
    assert caught.value.code == "sign-on-unsafe"


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://id.example.org/realm", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        ("http://id.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("ftp://127.0.0.1", False),
        ("https://", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_addresses_that_may_be_asked(address: str, *, safe: bool) -> None:
    assert safe_address(address) is safe
