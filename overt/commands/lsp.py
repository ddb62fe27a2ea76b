"""lsp: the sidecar that an editor starts."""

from __future__ import annotations

import sys

import click


@click.command()
@click.option("--stdio", is_flag=True, help="Accepted for editors that insist; it is the only way.")
def lsp(*, stdio: bool) -> None:
    """Speak the Language Server Protocol on standard input and output.

    An editor starts this beside its other language servers; it is not run by hand. Nothing is captured before you
    have joined a study, and only in files that the study asks for. docs/EDITORS.md shows how to set it up.
    """
    from lsp_collector.process import main  # noqa: PLC0415 - the editor waits for this process: load nothing else first

    del stdio
    sys.exit(main([]))
