"""``overt serve`` speaking TLS itself, with the wrong and the right certificate."""

from __future__ import annotations

import datetime
import json
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.ingest_server.kit import make_manifest
from tests.ingest_server.serve_command import address_of, serving

pytestmark = pytest.mark.system


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate that signs itself for a host name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(private)
    return folder / f"{name}.pem", folder / f"{name}.key"


def test_it_speaks_tls_and_only_to_who_asks_for_its_name(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "localhost")
    flags = "--tls-cert", str(certificate), "--tls-key", str(key), "--log-requests"
    with serving(tmp_path, make_manifest().raw, *flags, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        url = address_of(process)
        assert url.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(verify=trusted, trust_env=False) as client:
            assert client.get(url.replace("127.0.0.1", "localhost") + "/healthz").status_code == 200
            with pytest.raises(httpx.ConnectError, match=r"certificate is not valid|mismatch"):
                client.get(url + "/healthz")
        with httpx.Client(trust_env=False) as client, pytest.raises(httpx.HTTPError):
            client.get(url.replace("https", "http") + "/healthz")
        process.terminate()
        line = json.loads(process.stderr.readline())
        assert (line["route"], line["status"]) == ("/healthz", 200)


def test_a_certificate_that_is_none_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    flags = "--tls-cert", "bad.pem", "--tls-key", "bad.pem"
    with serving(tmp_path, make_manifest().raw, *flags, stderr=subprocess.PIPE) as process:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 8
        assert b"[tls]" in said
