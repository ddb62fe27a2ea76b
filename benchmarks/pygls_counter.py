"""The baseline: a pygls server, as its documentation starts one, that only counts notifications."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer

server = LanguageServer("counter", "1", text_document_sync_kind=types.TextDocumentSyncKind.Incremental)
counted = 0


@server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
def did_change(_server: LanguageServer, params: types.DidChangeTextDocumentParams) -> None:
    """Count."""
    global counted  # noqa: PLW0603 - one number is all this server has
    counted += len(params.content_changes)


@server.feature("counter/count")
def count(_server: LanguageServer, _params: object) -> dict[str, int]:
    """Say how many."""
    return {"count": counted}


if __name__ == "__main__":
    server.start_io()
