"""review: the local page on which a person sees everything that was captured, and can act."""

from __future__ import annotations

import asyncio

import click

from overt.console import DURATION, json_option, print_json
from overt.device import Device


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, help="The port on 127.0.0.1; any free one if left out."
)
@click.option("--no-browser", is_flag=True, help="Only print the address; open it yourself.")
@click.option("--idle", type=DURATION, help="Close after so long without use; else as set on the page.")
@json_option
def review(port: int, idle: int | None, *, no_browser: bool, as_json: bool) -> None:
    """Open a page in your browser with everything that was captured, in plain words.

    See what is captured now and why, go through your days, watch a session like a film, forget any of it, read what
    your studies ask and give them less, see what was sent and what goes next.

    The page is served on this machine alone, asks nothing of anywhere else, and closes when you stop it or nobody
    looks at it. Its address works once, in one browser.
    """
    from overt.review.server import serve  # noqa: PLC0415 - the server's libraries are loaded for this alone

    def ready(address: str) -> None:
        if as_json:
            print_json({"address": address})
        else:
            click.echo(f"Your page: {address}")
            click.echo("It works once, in one browser. Ctrl+C closes the page.")

    asyncio.run(serve(Device(), port=port, open_browser=not no_browser, idle_s=idle, ready=ready))
