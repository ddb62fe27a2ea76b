"""bridge, pair: the server that the browser extension talks to, and pairing by a code."""

from __future__ import annotations

import asyncio
import sys

import click

from capture_gate.home import home_folder
from event_model.clock import SystemClock
from event_model.errors import OvertError


@click.command()
@click.option("--native-host", is_flag=True, help="Introduce an extension: the browser starts this, not a person.")
@click.argument("caller", nargs=-1, metavar="")
def bridge(*, native_host: bool, caller: tuple[str, ...]) -> None:
    """Serve the browser extension on this machine, until stopped or not needed for 15 minutes.

    The browser starts it by itself when `overt setup chrome` or `overt setup firefox` was run. Run it by hand after
    pairing with `overt pair`, or to see why it does not start. It listens on 127.0.0.1 only, and speaks to overt's own
    extension only. docs/BROWSER.md tells more.
    """
    if native_host:
        from browser_bridge.host import answer, write_answer  # noqa: PLC0415 - the browser waits for this

        write_answer(sys.stdout.buffer, answer(home_folder(), caller, sys.stdin.buffer))
        return
    from browser_bridge.server import serve_bridge  # noqa: PLC0415 - not for the host

    if not asyncio.run(serve_bridge(home_folder())):
        click.echo("A bridge is running already.")


@click.command()
@click.option("--reset", is_flag=True, help="Forget every browser that was paired by a code.")
def pair(*, reset: bool) -> None:
    """Pair a browser by a code, where `overt setup` could not introduce it.

    Shows a code that is good for five minutes and for one browser. Type it on the extension's options page. A paired
    browser can't start the bridge: run `overt bridge` when you log in.
    """
    from browser_bridge.host import start_bridge  # noqa: PLC0415 - other commands start without
    from browser_bridge.papers import PAIR_S, Papers  # noqa: PLC0415

    papers = Papers(home_folder())
    try:
        if reset:
            click.echo(f"{papers.unpair()} pairings forgotten.")
            return
        code = papers.open_pairing(SystemClock().wall_ms())
        port = start_bridge(papers)
    except OSError as error:
        raise OvertError(
            f"The bridge's files can't be written: {error.strerror}.", code="bridge-files", hint="Try `overt doctor`."
        ) from error
    click.echo(f"{port}-{code}")
    click.echo(f"Type this on the extension's options page within {PAIR_S // 60} minutes.", err=True)
