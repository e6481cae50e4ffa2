"""The OpenAPI 3.1 document of the service, made from the types it answers with.

``docs/openapi.json`` is this document; ``python -m zkcredit.service.openapi`` prints it.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from zkcredit.service import reading, wire
from zkcredit.service.problems import CONTENT_TYPE, KINDS, Problem

API_VERSION = "1.0.0"
_INDEX = {"type": "integer", "minimum": 0, "maximum": (1 << 63) - 1}
_TEXT = "text/plain"
_NAMES = str.maketrans({"/": "_", "{": None, "}": None, ".": "_"})
_LINKS = {
    name: {"operationId": operation, "parameters": {"index": "$response.body#/index"}}
    for name, operation in (
        ("entry", "get_v1_entries_index"),
        ("receipt", "get_v1_entries_index_receipt"),
    )
}
_NUMBER_RULE = "numbered in groups of three digits, all but the last with an x before it"
_DESCRIPTION = """\
Submit purchases and other statements to a ledger of consumer credit, and read its log.

The log is public: `checkpoint`, `tile/…` follow C2SP tlog-tiles, `evidence/…`, `reply/…` and
`attachments/…` lie beside it. Errors are problem details (RFC 9457); their `type` is stable.
POST requests carry an Idempotency-Key: the same key with the same content is answered again,
with other content it is refused. Requests in the name of an issuer are signed (RFC 9421,
Ed25519) over @method, @target-uri, content-digest and idempotency-key, with `created`,
`keyid` (the party's identifier), `nonce` and the tag `zkcredit`; `POST /v1/keys` binds the
key."""


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(media_type: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {media_type: {"schema": schema} if schema else {}}


def _parameter(
    name: str, place: str, schema: dict[str, Any], text: str, *, required: bool = True
) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": text,
        "schema": schema,
    }


def _path(name: str, pattern: str, text: str) -> dict[str, Any]:
    return _parameter(name, "path", {"type": "string", "pattern": f"^{pattern}$"}, text)


_KEY = _parameter(
    "Idempotency-Key",
    "header",
    {"type": "string", "pattern": '^"[a-zA-Z0-9_-]{1,255}"$'},
    "A quoted string, fresh for each request that is not a repetition.",
)


def _operation(
    summary: str,
    answers: dict[str, dict[str, Any]],
    problems: Sequence[str] = (),
    *,
    parameters: Sequence[dict[str, Any]] = (),
    body: dict[str, Any] | None = None,
    signed: bool | None = False,
) -> dict[str, Any]:
    """One operation; ``signed`` None means that a signature may be there."""
    kinds = [*problems, "rate-limited", "internal", "store"]
    if body is not None:
        kinds += ["malformed", "too-slow", "too-large", "media-type"]
    if signed is not False:
        kinds += ["signature-refused"]
    statuses: dict[int, list[str]] = {}
    for kind in kinds:
        statuses.setdefault(KINDS[kind].status, []).append(KINDS[kind].title)
    responses = {
        status: {"description": answer.get("text", "Done."), "content": answer["content"]}
        for status, answer in answers.items()
    }
    for status, titles in sorted(statuses.items()):
        found = {
            "description": "; ".join(dict.fromkeys(titles)) + ".",
            "content": _content(CONTENT_TYPE, _schema("Problem")),
        }
        responses.setdefault(str(status), found)
    operation: dict[str, Any] = {"summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = list(parameters)
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    if signed is not False:
        operation["security"] = [{"signature": []}] if signed else [{}, {"signature": []}]
    return operation


def _json(name: str, text: str = "Done.") -> dict[str, Any]:
    return {"content": _content(wire.JSON, _schema(name)), "text": text}


def _file(media_type: str = wire.BINARY) -> dict[str, Any]:
    return {"content": _content(media_type), "text": "The file."}


_KEYED = (
    "idempotency-key-missing",
    "idempotency-key-in-use",
    "idempotency-key-reused",
    "refused",
    "conflict",
)


def _changing() -> dict[str, Any]:
    binary = {
        wire.SUBMISSION: "statement, evidence and memo as docs/protocol.md encodes a submission",
        wire.BATCH: "submissions, each after its length in 4 bytes",
        wire.REPLIES: "index in 8 bytes and reply after its length in 2 bytes, repeated",
    }
    body = {
        name: _content(name, {"type": "string", "format": "binary", "description": text})
        for name, text in binary.items()
    }
    file = _content(wire.BINARY, {"type": "string", "format": "binary"})
    return {
        "/v1/entries": {
            "post": _operation(
                "Submit one statement",
                {
                    "201": _json("Accepted", "Accepted: it is the entry of this index."),
                    "200": _json("Accepted", "It was accepted before."),
                },
                [*_KEYED, "registration-closed", "overloaded"],
                parameters=[_KEY],
                body=body[wire.SUBMISSION],
                signed=None,
            )
        },
        "/v1/batches": {
            "post": _operation(
                "Submit up to 1,024 statements",
                {"200": _json("BatchResults", "What became of each, in order.")},
                [*_KEYED, "registration-closed", "overloaded"],
                parameters=[_KEY],
                body=body[wire.BATCH],
                signed=None,
            )
        },
        "/v1/replies": {
            "post": _operation(
                "Store an issuer's replies, all or none",
                {"200": _json("Stored")},
                [*_KEYED, "not-yours"],
                parameters=[_KEY],
                body=body[wire.REPLIES],
                signed=True,
            )
        },
        "/v1/attachments": {
            "post": _operation(
                "Store a file of up to 64 MiB that an entry names by its BLAKE3 hash",
                {"200": _json("Attached")},
                [*_KEYED],
                parameters=[_KEY],
                body=file,
                signed=True,
            )
        },
        "/v1/keys": {
            "post": _operation(
                "Bind the Ed25519 key that signs a party's requests",
                {"200": _json("KeyBinding")},
                ["refused", "conflict", "not-found"],
                body=_content(wire.JSON, _schema("KeyBinding")),
            )
        },
    }


def _single() -> dict[str, Any]:
    index = _parameter("index", "path", _INDEX, "Index of an entry.")
    issuer = _path("issuer", reading.DIGEST.pattern, "Identifier of an issuer.")
    tables = ["nullifiers", "payees", "opens"]
    limit = {"type": "integer", "minimum": 1, "maximum": reading.UNANSWERED_MAX}
    moment = {"type": "integer", "minimum": 1, "maximum": (1 << 53) - 1}
    prefix = {"type": "string", "pattern": f"^[0-9a-f]{{0,{reading.DIGITS_MAX}}}$"}
    return {
        "/v1/entries/{index}": {
            "get": _operation(
                "One encoded entry", {"200": _file()}, ["not-found"], parameters=[index]
            )
        },
        "/v1/entries/{index}/receipt": {
            "get": _operation(
                "An offline receipt of one entry (C2SP tlog-proof)",
                {"200": _file(_TEXT)},
                ["not-found", "overloaded"],
                parameters=[index],
            )
        },
        "/v1/issuers/{issuer}/unanswered": {
            "get": _operation(
                "Entries that wait for an issuer's reply, oldest first",
                {"200": _json("Unanswered")},
                ["not-found", "malformed"],
                parameters=[
                    issuer,
                    _parameter("limit", "query", limit, "At most so many.", required=False),
                ],
            )
        },
        "/v1/overdue": {
            "get": _operation(
                "Replies that are overdue",
                {"200": _json("OverdueReplies")},
                ["malformed"],
                parameters=[
                    _parameter("now_ms", "query", moment, "As of this Unix time.", required=False)
                ],
            )
        },
        "/v1/buckets/{table}": {
            "get": _operation(
                "All nullifiers, payees or openings that share a prefix",
                {"200": _json("Bucket", "At least 256 of them, unless there are fewer in all.")},
                ["not-found", "bucket-too-small", "malformed"],
                parameters=[
                    _parameter("table", "path", {"enum": tables}, "Which keys."),
                    _parameter("prefix", "query", prefix, "Hexadecimal digits.", required=False),
                ],
            )
        },
    }


def _files() -> dict[str, Any]:
    tile = _path("path", reading.TILE.pattern, f"Level and number of a tile, {_NUMBER_RULE}.")
    bundle = _path("path", reading.EVIDENCE.pattern, f"Number of a bundle, {_NUMBER_RULE}.")
    replies = _path("path", reading.REPLY.pattern, f"Number of a bundle, {_NUMBER_RULE}.")
    digest = _path("digest", reading.DIGEST.pattern, "BLAKE3 hash of the file.")
    unchanged = {"content": {}, "text": "Unchanged (If-None-Match)."}
    return {
        "/genesis": {"get": _operation("Origin and public keys of the ledger", {"200": _file()})},
        "/checkpoint": {
            "get": _operation(
                "The signed head of the log (C2SP tlog-checkpoint)", {"200": _file(_TEXT)}
            )
        },
        "/checkpoint.cosigned": {
            "get": _operation(
                "The last checkpoint that met the policy of cosigners",
                {"200": _file(_TEXT)},
                ["not-found"],
            )
        },
        "/tile/{path}": {
            "get": _operation(
                "A tile of the tree or a bundle of entries",
                {"200": _file()},
                ["not-found"],
                parameters=[tile],
            )
        },
        "/evidence/{path}": {
            "get": _operation(
                "A bundle of evidence and memos",
                {"200": _file()},
                ["not-found"],
                parameters=[bundle],
            )
        },
        "/reply/{path}": {
            "get": _operation(
                "A bundle of replies as it is now",
                {"200": _file(), "304": unchanged},
                ["not-found"],
                parameters=[replies],
            )
        },
        "/attachments/{digest}": {
            "get": _operation(
                "A file that an entry names", {"200": _file()}, ["not-found"], parameters=[digest]
            )
        },
    }


def _about() -> dict[str, Any]:
    health = _schema("Health")
    busy = {"content": _content(wire.JSON, health), "text": "Not now."}
    ready = _operation("Whether submissions are taken", {"200": _json("Health"), "503": busy})
    return {
        "/openapi.json": {
            "get": _operation(
                "This document",
                {"200": {"content": _content(wire.JSON, {"type": "object"}), "text": "This."}},
            )
        },
        "/healthz": {"get": _operation("Whether the service lives", {"200": _json("Health")})},
        "/readyz": {"get": ready},
        "/metrics": {
            "get": _operation("Figures in Prometheus' text format", {"200": _file(_TEXT)})
        },
    }


@functools.cache
def document() -> dict[str, Any]:
    """The whole document."""
    _, schemas = msgspec.json.schema_components(
        [*wire.BODIES, Problem], ref_template="#/components/schemas/{name}"
    )
    for schema in schemas.values():
        schema["description"] = " ".join(schema["description"].replace("``", "").split())
    schemas["Problem"]["properties"]["type"] = {
        "enum": [f"urn:zkcredit:problem:{name}" for name in KINDS]
    }
    signature = {
        "type": "apiKey",
        "in": "header",
        "name": "Signature",
        "description": "HTTP message signature (RFC 9421) with Signature-Input, Content-Digest.",
    }
    paths: dict[str, Any] = {**_changing(), **_single(), **_files(), **_about()}
    for path, methods in paths.items():
        for method, operation in methods.items():
            operation["operationId"] = f"{method}{path}".translate(_NAMES).strip("_")
    for status in ("200", "201"):
        paths["/v1/entries"]["post"]["responses"][status]["links"] = _LINKS
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zkcredit ledger",
            "version": API_VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"signature": signature}},
    }


@functools.cache
def document_bytes() -> bytes:
    """The document as JSON text."""
    return (json.dumps(document(), indent=2, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    sys.stdout.buffer.write(document_bytes())
