"""The ``overt`` command: finds the subcommand, runs it, and turns errors into sentences and exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click
import msgspec

from event_model.errors import (
    AuditError,
    ConsentError,
    CryptoError,
    DatasetError,
    FormatError,
    OvertError,
    ReceiverError,
    StoreError,
    UploadError,
)
from overt import __version__

COMMANDS: dict[str, tuple[str, str]] = {
    "setup": ("overt.commands.setup", "Set up an editor or browser; says what it changes, and takes it back"),
    "join": ("overt.commands.consent", "Read a study's notice in full, and join it if you like"),
    "leave": ("overt.commands.consent", "Take your consent back: capture stops, your data are erased"),
    "studies": ("overt.commands.consent", "The studies you have joined, and what each may keep"),
    "status": ("overt.commands.status", "What is captured now, where, for which study; why not, if not"),
    "pause": ("overt.commands.status", "Pause all capture on this machine"),
    "resume": ("overt.commands.status", "End the pause"),
    "doctor": ("overt.commands.doctor", "Find what is wrong, and how to mend it"),
    "review": ("overt.commands.review", "The local page: everything that was captured, and what you can do about it"),
    "show": ("overt.commands.events", "Everything that was captured, in plain words"),
    "forget": ("overt.commands.events", "Erase what was captured"),
    "export": ("overt.commands.events", "Your own data, as JSON Lines"),
    "verify": ("overt.commands.events", "Check every byte of the local store"),
    "sync": ("overt.commands.sync", "Send what is past its hold, sealed; erase what you asked to erase"),
    "audit": ("overt.commands.audit", "Who joined, what was erased, who opened the data for what: verified"),
    "names": ("overt.commands.names", "Names that the filter should look for, such as a study's roster"),
    "keys": ("overt.commands.keys", "Back up this installation's keys, and put a backup in place of lost ones"),
    "lsp": ("overt.commands.lsp", "The sidecar that an editor starts (stdio)"),
    "bridge": ("overt.commands.bridge", "The server that the browser extension talks to"),
    "pair": ("overt.commands.bridge", "Pair a browser by a code"),
    "study": ("overt.commands.study", "For the study owner: new, sign, check"),
    "serve": ("overt.commands.serve", "Run a receiver"),
    "dataset": ("overt.commands.dataset", "Build and check training data"),
    "simulate": ("overt.commands.simulate", "A synthetic fleet: people who do not exist, for trials and load tests"),
    "demo": ("overt.commands.demo", "All of it on this machine, in a throw-away folder, in a minute"),
}

EXIT_CODES: tuple[tuple[type[OvertError], int], ...] = (
    (ConsentError, 3),
    (CryptoError, 4),
    (FormatError, 5),
    (StoreError, 6),
    (UploadError, 7),
    (ReceiverError, 8),
    (DatasetError, 9),
    (AuditError, 10),
)
"""0 is success, 1 another error of ours, 2 a wrong command line, 130 an interrupt."""


_REFUSED = dict(EXIT_CODES)[ReceiverError]


class LazyGroup(click.Group):
    """Commands by name; the module of one is imported only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_"))
        if not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="overt")
def overt() -> None:
    """Opt-in capture of how you work, kept encrypted on your machine, yours to see and to forget.

    Nothing is captured before you join a study. Begin with `overt join STUDY`, look with `overt status` and
    `overt show`, stop with `overt pause` or `overt leave`. `overt demo` shows the whole way in a throw-away folder.

    Your data live in the folder named by OVERT_HOME, or in your user's data folder.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        overt.main(args=arguments, prog_name="overt", standalone_mode=False)
    except OvertError as error:
        _explain(error, as_json="--json" in arguments)
        sys.exit(exit_code(error))
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        if "--json" in arguments:
            _as_json("usage", error.format_message(), "`--help` shows how it is called.")
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone: that is its right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(0)


def exit_code(error: OvertError) -> int:
    """Give the exit code for an error: one per branch of the error tree, and 8 for a sync that was refused."""
    if getattr(error, "refused", False):
        return _REFUSED
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def _explain(error: OvertError, *, as_json: bool) -> None:
    if as_json:
        _as_json(error.code, error.message, error.hint)
    click.secho(f"overt: {error.message} [{error.code}]", fg="red", err=True)
    if error.hint:
        click.echo(f"       {error.hint}", err=True)


def _as_json(code: str, message: str, hint: str) -> None:
    click.echo(msgspec.json.encode({"error": {"code": code, "message": message, "hint": hint}}).decode())


if __name__ == "__main__":
    main()
