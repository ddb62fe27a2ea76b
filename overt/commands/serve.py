"""serve: the receiver."""

from __future__ import annotations

from pathlib import Path

import click

from consent_ledger.manifest import read_manifest
from event_model.clock import SystemClock
from event_model.errors import KeyUnavailable, ReceiverError
from event_model.sign_on import SignOnSettings, safe_address
from overt.console import json_option, print_json
from overt.keyfiles import read_signing_key

SWEEP_EVERY_S = 3600.0
"""How often the janitor sweeps: retention counts days, so an hour late is on time."""


@click.command()
@click.option("--study", "studies", type=click.Path(path_type=Path, exists=True), multiple=True, required=True,
              help="A signed manifest whose participants may send. Repeatable.")  # fmt: skip
@click.option("--key", type=click.Path(path_type=Path), required=True, help="receiver.key, which signs receipts.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Where sealed segments are kept.")
@click.option("--roles", type=click.Path(path_type=Path, exists=True, dir_okay=False), multiple=True,
              help="A study's roles.json: its custodians and auditors. Repeatable.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; put TLS in front of it.")
@click.option("--port", type=int, default=8443, show_default=True, help="The port; 0 takes a free one.")
@click.option("--database", envvar="OVERT_DATABASE",
              help="postgresql://user@host/name, in place of a SQLite file below --data.")  # fmt: skip
@click.option("--bucket", envvar="OVERT_BUCKET", help="An S3 bucket, in place of files below --data.")
@click.option("--s3-endpoint", envvar="AWS_ENDPOINT_URL", help="The URL of an S3 server that is not Amazon's.")
@click.option("--tls-cert", type=click.Path(path_type=Path, exists=True), help="A certificate chain (PEM): speak TLS.")
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True), help="Its private key (PEM).")
@click.option("--log-requests", is_flag=True, help="One line of JSON per request on standard error; no identities.")
@click.option("--rate", default=3000, show_default=True, type=click.IntRange(min=1),
              help="Requests a minute of one installation.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=0, max=64),
              help="Processes that store segments; 0: none beside it. By default one per processor.")  # fmt: skip
@click.option("--janitor", is_flag=True, help="Erase what is over its retention, and what crashes left, every hour.")
@click.option("--invited-only", is_flag=True, help="Take part only with an invitation (`overt study invite`).")
@click.option("--sign-on-issuer", help="An OpenID Connect provider: take part only who signs on there, or is invited.")
@click.option("--sign-on-client", help="The client id that devices sign on with, a public client with PKCE.")
@json_option
def serve(
    studies: tuple[Path, ...], key: Path, data: Path, roles: tuple[Path, ...], host: str, port: int,
    database: str | None, bucket: str | None, s3_endpoint: str | None,
    tls_cert: Path | None, tls_key: Path | None, rate: int, workers: int | None,
    sign_on_issuer: str | None, sign_on_client: str | None,
    *, log_requests: bool, janitor: bool, invited_only: bool, as_json: bool,
) -> None:  # fmt: skip
    """Run a receiver: it takes sealed segments and keeps what it cannot read.

    \b
    overt serve --study typing-2026/study.json --key typing-2026/receiver.key --data /srv/overt

    Several machines can share a PostgreSQL database and an S3 bucket: give --database and --bucket.
    """
    try:
        from ingest_server import intake, operations, server, stores  # noqa: PLC0415 - an extra that the device side does not install
    except ModuleNotFoundError as error:
        raise ReceiverError(
            f"the receiver's packages are missing ({error.name})", status=0, code="extra-missing",
            hint="Install them: pip install 'overt[receiver]'",
        ) from error  # fmt: skip

    def ready(address: str) -> None:
        if as_json:
            print_json({"listening": address})
        else:
            click.echo(f"Listening on {address}. Ctrl-C stops it; what was receipted is on disk.")

    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if (sign_on_issuer is None) != (sign_on_client is None):
        raise click.UsageError("--sign-on-issuer and --sign-on-client go together")
    if sign_on_issuer is not None and not safe_address(sign_on_issuer):
        raise click.UsageError("--sign-on-issuer is no https address")
    signer = read_signing_key(key)
    manifests = tuple(read_manifest(path.read_bytes()) for path in studies)
    for manifest in manifests:
        if manifest.payload.receiver_key != signer.verify_key:
            raise KeyUnavailable(
                f"{key} is not the receiver's key that {manifest.payload.id} names",
                code="key-foreign",
                hint="Devices would believe no receipt; give the receiver.key that was made with the study.",
            )
    sign_on = None
    if sign_on_issuer is not None and sign_on_client is not None:
        sign_on = SignOnSettings(sign_on_issuer, sign_on_client)
    lists = tuple(path.read_bytes() for path in roles)
    settings = server.ReceiverSettings(
        data=data, studies=manifests, key=signer, roles=lists, rate_per_minute=rate,
        sweep_every_s=SWEEP_EVERY_S if janitor else None, invited_only=invited_only,
        sign_on=sign_on,
    )  # fmt: skip
    server.serve(
        settings, host=host, port=port, clock=SystemClock(), ready=ready,
        stores=stores.StoreSettings(str(data), database or None, bucket or None, s3_endpoint or None),
        workers=intake.default_workers() if workers is None else workers,
        log=operations.log_to_stderr if log_requests else None,
        tls=None if tls_cert is None or tls_key is None else (tls_cert, tls_key),
    )  # fmt: skip
