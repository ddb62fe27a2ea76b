"""What the commands share to speak with a person or a script."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

F = TypeVar("F", bound=Callable[..., Any])

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400

MAX_SPAN_S = 3650 * DAY_S
"""Ten years: longer than any study, and well within what a calendar can say."""

PIPE_COLUMNS = 200


def json_option(command: F) -> F:
    """Add ``--json``: one JSON value on standard output, for scripts."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")(command)


def console() -> Console:
    """Make a console that knows whether it writes to a terminal; into a pipe it writes long lines unbroken."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=PIPE_COLUMNS)


def print_json(value: object) -> None:
    """Print one JSON value on one line."""
    click.echo(msgspec.json.encode(value, enc_hook=str).decode())


def table(*columns: str, title: str | None = None) -> Table:
    """Make a plain table."""
    made = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def local_time(wall_ms: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Write Unix milliseconds as the person's own time."""
    return datetime.datetime.fromtimestamp(wall_ms / 1000).astimezone().strftime(form)


def bytes_text(count: int) -> str:
    """Write a number of bytes for a person."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000 or unit == "MB":
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def span_text(seconds: int) -> str:
    """Write a time span for a person, in its largest whole unit."""
    for size, unit in ((DAY_S, "day"), (HOUR_S, "hour"), (MINUTE_S, "minute")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}{'s' if seconds != size else ''}"
    return f"{seconds} second{'s' if seconds != 1 else ''}"


class DurationType(click.ParamType[int]):
    """A time span such as ``30m``, ``2h`` or ``1d``, as seconds."""

    name = "duration"
    _UNITS: ClassVar = {"s": 1, "m": MINUTE_S, "h": HOUR_S, "d": DAY_S}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a number with its unit; a bare number counts minutes."""
        if isinstance(value, int):
            return value
        text = str(value).strip().lower()
        unit = self._UNITS.get(text[-1:], None)
        digits = text if unit is None else text[:-1]
        if not digits.isdigit() or int(digits) == 0:
            self.fail(f"{value!r} is not a time span; write 30m, 2h or 1d", param, ctx)
        seconds = int(digits) * (MINUTE_S if unit is None else unit)
        if seconds > MAX_SPAN_S:
            self.fail(f"{value!r} is longer than ten years", param, ctx)
        return seconds


DURATION = DurationType()

MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"])
"""A moment of the local time; a day alone is its beginning."""
