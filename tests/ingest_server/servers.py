"""A real PostgreSQL and a real S3 server (OpenStack Swift), on loopback, for as long as the tests run."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import msgspec
import psycopg

from tests.apart import programs_apart
from tests.ingest_server.sigv4 import signed_headers

ACCESS_KEY = "overt:test"
SECRET_KEY = "secret"
REGION = "us-east-1"
START_S = 60


class S3Server(msgspec.Struct, frozen=True):
    """Where an S3 server listens; its keys are the constants above."""

    endpoint: str


@contextmanager
def postgres() -> Iterator[str]:
    """Run a PostgreSQL cluster and give the URL of its first database."""
    initdb = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    assert initdb is not None, "PostgreSQL is missing: run scripts/system_packages.sh"
    programs = Path(initdb).resolve().parent
    # PostgreSQL refuses to run as root, and another user does not reach into the folders of root's tests.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    options = ["-U", "overt", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"]
    with tempfile.TemporaryDirectory(prefix="overt-pg-") as made, ExitStack() as stack:
        data = Path(made)
        if as_user:
            shutil.chown(data, "postgres", "postgres")
        ran = subprocess.run(
            [*as_user, str(programs / "initdb"), "-D", str(data), *options], check=False, capture_output=True, cwd="/"
        )
        assert ran.returncode == 0, ran.stderr.decode()
        port = free_ports(1)[0]
        server = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories="]
        log = stack.enter_context(tempfile.TemporaryFile())
        stack.enter_context(running([*as_user, str(programs / "postgres"), "-D", str(data), *server], log))
        url = f"postgresql://overt@127.0.0.1:{port}/postgres"
        _until_postgres_answers(url)
        yield url


@contextmanager
def s3(folder: Path) -> Iterator[S3Server]:
    """Run an S3 server below ``folder``: one node, one replica."""
    programs = programs_apart("swift", "s3_server.txt")
    ports = dict(zip(("proxy", "account", "container", "object"), free_ports(4), strict=True))
    settings = folder / "etc"
    settings.mkdir(parents=True)
    (folder / "node" / "d1").mkdir(parents=True)
    (settings / "swift.conf").write_text(_SWIFT)
    with ExitStack() as stack:
        for name, port in ports.items():
            if name != "proxy":
                _make_ring(programs, settings, name, port)
        for name, port in ports.items():
            common = _COMMON.format(folder=folder, port=port, user=_user())
            (settings / f"{name}.conf").write_text(common + (_PROXY if name == "proxy" else _STORE.format(name=name)))
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            program = programs / f"swift-{name}-server"
            stack.enter_context(
                running([str(programs / "python"), str(program), str(settings / f"{name}.conf"), "-v"], log)
            )
        for port in ports.values():
            _until_listening(port)
        yield S3Server(f"http://127.0.0.1:{ports['proxy']}")


@contextmanager
def running(command: Sequence[str], log: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a process group of its own, and end the group."""
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd="/")  # type: ignore[call-overload]
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def make_bucket(server: S3Server, bucket: str) -> None:
    """Make a bucket: obstore does not."""
    url = f"{server.endpoint}/{bucket}"
    transport = httpx.HTTPTransport(retries=3)
    with httpx.Client(transport=transport) as client:
        headers = signed_headers("PUT", url, access_key=ACCESS_KEY, secret_key=SECRET_KEY, region=REGION)
        client.put(url, headers=headers).raise_for_status()


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def _make_ring(programs: Path, settings: Path, name: str, port: int) -> None:
    builder = str(settings / f"{name}.builder")
    for arguments in (("create", "6", "1", "1"), ("add", f"r1z1-127.0.0.1:{port}/d1", "1"), ("rebalance",)):
        command = [str(programs / "python"), str(programs / "swift-ring-builder"), builder, *arguments]
        subprocess.run(command, check=True, capture_output=True)


def _until_listening(port: int) -> None:
    # The kernel's own pause between tries: a refused connection comes back at once, so a try is a new process's time.
    for _ in range(START_S * 20):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            _pause()
        else:
            return
    raise AssertionError(f"no server came up on port {port}")


def _until_postgres_answers(url: str) -> None:
    for _ in range(START_S * 20):
        try:
            psycopg.connect(url, connect_timeout=1).close()
        except psycopg.OperationalError:
            _pause()
        else:
            return
    raise AssertionError("PostgreSQL did not come up")


def _pause() -> None:
    """Wait a moment for another process: nothing in it can tell us that it is ready."""
    select.select([], [], [], 0.05)


_SWIFT = """[swift-hash]
swift_hash_path_suffix = overt
swift_hash_path_prefix = overt
[storage-policy:0]
name = gold
default = yes
"""

_COMMON = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}/etc
devices = {folder}/node
mount_check = false
disable_fallocate = true
"""

_STORE = """[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""

_PROXY = """[pipeline:main]
pipeline = catch_errors cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:9
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
s3_acl = no
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_overt_test = secret .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""
