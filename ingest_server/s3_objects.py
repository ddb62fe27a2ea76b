"""Sealed bytes in an S3 bucket, for replicas on several machines.

S3 answers a PUT once the object is stored: no fsync of ours is needed, and none is possible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.store import S3Store

from event_model.errors import StoreUnwritable
from ingest_server.objects import object_store_errors

if TYPE_CHECKING:  # They exist for the type checker alone.
    from obstore.store import ClientConfig, S3Config

REQUEST_TIMEOUT_S = 30
"""How long one request to the object store may take: 4 MiB at 140 kB/s."""

RETRY_TIMEOUT_S = 20
"""How long obstore itself tries again before the device is told to come back."""

MAX_RETRIES = 2
"""Tries after the first; the device tries again too."""

PARALLEL_PUTS = 16
"""Objects sent at once: an object store answers each after some ten milliseconds."""

PARALLEL_ERASURES = 16
"""Objects erased at once: a deletion of thousands ends in time, and other requests still get through."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class S3Objects:
    """Objects in a bucket of their own; keys and region come from the environment (AWS_ACCESS_KEY_ID and so on)."""

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> None:
        """Name the bucket, and a server that is not Amazon's by its URL. StoreUnwritable: if a setting is malformed.

        Plain http is spoken to the machine's own addresses only.
        """
        options: ClientConfig = {"timeout": timedelta(seconds=REQUEST_TIMEOUT_S)}
        if endpoint is not None and urlsplit(endpoint).hostname in _LOOPBACK:
            options["allow_http"] = True
        self._putters = ThreadPoolExecutor(PARALLEL_PUTS, thread_name_prefix="objects")
        given: S3Config = {}
        if endpoint is not None:
            given["endpoint"] = endpoint
        if region is not None:
            given["region"] = region
        if access_key is not None and secret_key is not None:
            given |= {"access_key_id": access_key, "secret_access_key": secret_key}
        with object_store_errors():
            self._store = S3Store(
                bucket,
                config=given,
                client_options=options,
                retry_config={"max_retries": MAX_RETRIES, "retry_timeout": timedelta(seconds=RETRY_TIMEOUT_S)},
            )

    async def put(self, key: str, data: bytes) -> None:
        """Keep an object, durably, in place of any of the same key."""
        with object_store_errors():
            # In one request: parts of an upload that broke off would stay in the bucket.
            await obstore.put_async(self._store, key, data, use_multipart=False)

    def put_all(self, objects: Sequence[tuple[str, bytes]]) -> list[StoreUnwritable | None]:
        """Keep many, each as ``put`` does, in the calling thread; say of each what kept it out, or None."""
        return list(self._putters.map(self._put_one, objects))

    def _put_one(self, named: tuple[str, bytes]) -> StoreUnwritable | None:
        try:
            with object_store_errors():
                obstore.put(self._store, *named, use_multipart=False)
        except StoreUnwritable as error:
            return error
        return None

    async def get(self, key: str) -> bytes | None:
        """Read an object; None if there is none."""
        with object_store_errors():
            try:
                answer = await obstore.get_async(self._store, key)
                return bytes(await answer.bytes_async())
            except FileNotFoundError:
                return None

    async def erase(self, keys: Sequence[str]) -> None:
        """Erase objects, durably; keys without an object are passed over."""
        permits = asyncio.Semaphore(PARALLEL_ERASURES)
        outcomes = await asyncio.gather(*(self._erase(key, permits) for key in keys), return_exceptions=True)
        failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failed:
            raise failed[0]

    async def keys(self, prefix: str) -> list[str]:
        """List the keys under a folder, sorted."""
        found: list[str] = []
        with object_store_errors():
            async for page in obstore.list(self._store, prefix.rstrip("/")):
                found += (item["path"] for item in page)
        return sorted(found)

    async def _erase(self, key: str, permits: asyncio.Semaphore) -> None:
        async with permits:
            with object_store_errors():
                try:
                    await obstore.delete_async(self._store, key)
                except FileNotFoundError:
                    return
