"""The receiver's interface as OpenAPI 3.1, with an example of each thing that is sent and answered."""

from __future__ import annotations

from typing import Any

from event_model.ids import STUDY_ID_PATTERN
from event_model.request_signatures import MAX_HEADER_CHARACTERS

_STATUSES = {
    200: "It was there already: the same answer as the first time.",
    201: "Taken, and durable.",
    400: "A number in the query is missing or malformed, or the request broke off.",
    401: "The request is not signed by this participant's key as it has to be.",
    403: "No consent stands for this, or these members may not state it.",
    404: "No such study, place or address here.",
    405: "No such method here.",
    408: "The body took too long.",
    409: "Other bytes are stored under this number.",
    410: "These bytes were erased on request.",
    413: "The body is too large.",
    422: "Malformed, forged, another's or out of order: which of them is not told.",
    429: "This installation asks too often; Retry-After says when to come back.",
    503: "The disk, the database or the object store failed; Retry-After says when to come back.",
}

_PROBLEM = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
}
_DOCUMENT = {
    "type": "object",
    "required": ["type", "payload", "key", "signature"],
    "properties": {
        "type": {"type": "string"},
        "payload": {"type": "object"},
        "key": {"type": "string"},
        "signature": {"type": "string"},
    },
}
_HASHES = {"type": "array", "items": {"type": "string", "contentEncoding": "base64"}}

_STUDY = {"name": "study", "in": "path", "required": True, "example": "typing-2026",
          "schema": {"type": "string", "pattern": STUDY_ID_PATTERN}}  # fmt: skip
_PSEUDONYM = {"name": "pseudonym", "in": "path", "required": True, "example": "k5zq3xg7d2m4w6ay" * 2,
              "schema": {"type": "string", "pattern": "^[a-z2-7]{32}$"}}  # fmt: skip


def _header(name: str, about: str, example: str) -> dict[str, Any]:
    schema = {"type": "string", "maxLength": MAX_HEADER_CHARACTERS}
    return {"name": name, "in": "header", "required": False, "description": about, "example": example, "schema": schema}


_SIGNED = (
    _header("Content-Digest", "RFC 9530: SHA-256.", "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"),
    _header(
        "Signature-Input",
        "RFC 9421: the three components in this order; keyid is the installation's key for the study, base64url.",
        'overt=("@method" "@request-target" "content-digest");created=1767225600;keyid="Zm9v";alg="ed25519"',
    ),
    _header("Signature", "RFC 9421: Ed25519 over the signature base.", "overt=:YmFy:"),
)

_LETS_IN = (
    _header(
        "Overt-Invitation", "An invitation by the study's owner, base64url; where a study is not open to all.", "Zm9v"
    ),
    _header("Overt-Identity-Token", "Or an ID token of the provider that /v1/receiver names.", "a.b.c"),
)

_SEGMENT_PROBLEMS = (401, 403, 404, 409, 410)

_EXAMPLES: dict[str, Any] = {
    "problem": {"code": "content-refused", "message": "this content is not accepted"},
    "document": {"type": "segment-receipt", "payload": {"study": "typing-2026"}, "key": "Zm9v", "signature": "YmFy"},
    "checkpoint": "overt/typing-2026\n2\nqXFl...=\n\n\N{EM DASH} overt/typing-2026 3q2+7w...=\n",
}


def document() -> dict[str, Any]:
    """Give the whole description."""
    participant = "/v1/studies/{study}/participants/{pseudonym}"
    log = "/v1/studies/{study}/log"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "overt receiver",
            "version": "1",
            "description": "Takes sealed segments and keeps what it cannot read.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            "/healthz": {"get": _get("health", "Whether the process lives", _status_object("ok"), ())},
            "/readyz": {"get": _get("ready", "Whether it can store", _status_object("ready"), (503,))},
            "/metrics": {
                "get": _plain("metrics", "Figures for Prometheus", "text/plain", "overt_requests_total 1.0\n")
            },
            "/openapi.json": {"get": _get("openapi", "This description", {"type": "object"}, ())},
            "/v1/receiver": {"get": _get("describe", "The key that signs receipts, and the studies", _DESCRIPTION, ())},
            f"{participant}/consent": {
                "parameters": [_STUDY, _PSEUDONYM, *_SIGNED, *_LETS_IN],
                "put": _put("putConsent", "Take a consent record", "application/json", (401, 403, 404)),
            },
            f"{participant}/segments/{{epoch}}/{{number}}": {
                "parameters": [_STUDY, _PSEUDONYM, _index("epoch"), _index("number"), *_SIGNED],
                "put": _put("putSegment", "Take a sealed segment", "application/octet-stream", _SEGMENT_PROBLEMS),
            },
            f"{participant}/deletions": {
                "parameters": [_STUDY, _PSEUDONYM, *_SIGNED],
                "post": _put("delete", "Erase what a signed request names", "application/json", (401, 404)),
            },
            "/v1/studies/{study}/manifest": {
                "parameters": [_STUDY],
                "get": _get("manifest", "The study's newest version, as its owner signed it", _DOCUMENT, (404,)),
            },
            "/v1/studies/{study}/revocations": {
                "parameters": [_STUDY],
                "post": {
                    "operationId": "revoke",
                    "summary": "Take an invitation back, and shut out who used it",
                    "requestBody": {"required": True, "content": {"application/json": {"schema": _DOCUMENT}}},
                    "responses": {
                        "201": _json_response(201, {"type": "object"}),
                        **_problems((400, 403, 404, 408, 413, 503)),
                    },
                },
            },
            log: {
                "parameters": [_STUDY],
                "post": {
                    "operationId": "state",
                    "summary": "Write into the log what members of the study state together",
                    "requestBody": {"required": True, "content": {"application/json": {"schema": _STATEMENTS}}},
                    "responses": {"201": _json_response(201, _PROOF), **_problems((400, 403, 404, 408, 413, 503))},
                },
            },
            f"{log}/checkpoint": {
                "parameters": [_STUDY],
                "get": _plain(
                    "checkpoint", "How the log stands, signed", "text/plain", _EXAMPLES["checkpoint"], (404, 503)
                ),
            },
            f"{log}/entries": _query("entries", "Entries, as hashed", {"entries": _HASHES}, ("start", "end")),
            f"{log}/inclusion": _query(
                "inclusion", "That an entry is in the log", {"path": _HASHES}, ("index", "size")
            ),
            f"{log}/consistency": _query(
                "consistency", "That a smaller log begins a larger one", {"path": _HASHES}, ("first", "second")
            ),
        },
    }


_DESCRIPTION = {
    "type": "object",
    "required": ["service", "version", "key", "studies"],
    "properties": {
        "key": {"type": "string"},
        "studies": {"type": "array", "items": {"type": "object"}},
        "sign_on": {"type": "object", "properties": {"issuer": {"type": "string"}, "client_id": {"type": "string"}}},
    },
}
_PROOF = {
    "type": "object",
    "required": ["entry", "index", "checkpoint", "path"],
    "properties": {
        "entry": {"type": "string"},
        "index": {"type": "integer"},
        "checkpoint": {"type": "string"},
        "path": _HASHES,
    },
}
_STATEMENTS = {
    "type": "object",
    "required": ["statements"],
    "properties": {"statements": {"type": "array", "items": _DOCUMENT}},
}


def _index(name: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": 1}


def _status_object(value: str) -> dict[str, Any]:
    return {"type": "object", "required": ["status"], "properties": {"status": {"const": value}}}


def _json_response(status: int, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": _STATUSES[status], "content": {"application/json": {"schema": schema}}}


def _problems(statuses: tuple[int, ...]) -> dict[str, Any]:
    made = {}
    for status in statuses:
        content = {"schema": _PROBLEM, "example": _EXAMPLES["problem"]}
        made[str(status)] = {"description": _STATUSES[status], "content": {"application/json": content}}
        if status in (429, 503):
            made[str(status)]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return made


def _get(name: str, summary: str, schema: dict[str, Any], problems: tuple[int, ...]) -> dict[str, Any]:
    response = {"description": summary, "content": {"application/json": {"schema": schema}}}
    return {"operationId": name, "summary": summary, "responses": {"200": response, **_problems(problems)}}


def _plain(name: str, summary: str, media: str, example: str, problems: tuple[int, ...] = ()) -> dict[str, Any]:
    response = {"description": summary, "content": {media: {"schema": {"type": "string"}, "example": example}}}
    return {"operationId": name, "summary": summary, "responses": {"200": response, **_problems(problems)}}


def _put(name: str, summary: str, media: str, problems: tuple[int, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = _DOCUMENT if media == "application/json" else {"type": "string", "format": "binary"}
    taken = {"type": "object"} if name == "putConsent" else _DOCUMENT
    body: dict[str, Any] = {"schema": schema}
    if media == "application/json":
        body["example"] = _EXAMPLES["document"]
    return {
        "operationId": name,
        "summary": summary,
        "requestBody": {"required": True, "content": {media: body}},
        "responses": {
            "200": _json_response(200, taken),
            "201": _json_response(201, taken),
            **_problems((400, 408, 413, 422, 429, 503, *problems)),
        },
    }


def _query(name: str, summary: str, properties: dict[str, Any], numbers: tuple[str, ...]) -> dict[str, Any]:
    schema = {"type": "object", "required": list(properties), "properties": properties}
    parameters = [
        {"name": each, "in": "query", "required": True, "example": 1,
         "schema": {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}}
        for each in numbers
    ]  # fmt: skip
    return {"parameters": [_STUDY, *parameters], "get": _get(name, summary, schema, (400, 404, 503))}
