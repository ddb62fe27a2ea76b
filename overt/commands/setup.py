"""setup: editors and browsers, installed or configured, and taken back."""

from __future__ import annotations

from typing import Any

import click
from rich.text import Text

from event_model.errors import OvertError
from overt.console import console, json_option, print_json, table
from overt.setup.plan import Plan, Surroundings
from overt.setup.targets import TARGETS


@click.command()
@click.argument("targets", nargs=-1, type=click.Choice(tuple(TARGETS)), metavar="[TOOL]...")
@click.option("--undo", is_flag=True, help="Take back what a set-up changed.")
@click.option(
    "--print", "only_print", is_flag=True, help="Say what would change, or what to add by hand; change nothing."
)
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@json_option
def setup(*, targets: tuple[str, ...], undo: bool, only_print: bool, yes: bool, as_json: bool) -> None:
    """Install or configure overt's plugin for an editor or browser; says what it changes before it does.

    Without a TOOL, lists the tools, which of them are here, and which are set up. TOOL is one of vscode, neovim, emacs,
    chrome, chromium, edge, brave, firefox, helix, kate, sublime, zed, vim, jetbrains. Setting up never starts capture:
    that takes `overt join`.

    \b
    overt setup neovim            copy the plugin to where Neovim finds it
    overt setup chrome            introduce the browser extension to this machine
    overt setup helix --print     what to add to Helix' settings
    overt setup emacs --undo      take it back
    """
    here = Surroundings.here()
    plans = [TARGETS[name](here) for name in targets or TARGETS]
    try:
        if not targets:
            _list(plans, as_json=as_json)
        elif only_print:
            _print(plans, as_json=as_json)
        else:
            _carry_out(plans, undo=undo, yes=yes, as_json=as_json)
    except OSError as error:
        raise OvertError(
            f"{error.filename or 'A file'} can't be changed: {error.strerror}.",
            code="setup-unwritable",
            hint="--print shows what to do by hand.",
        ) from error


def _list(plans: list[Plan], *, as_json: bool) -> None:
    if as_json:
        print_json([_fields(plan) for plan in plans])
        return
    rows = table("Tool", "", "Here", "Set up")
    for plan in plans:
        how = "by hand: --print" if not plan.changes else "yes" if plan.found and plan.done else "no"
        rows.add_row(plan.target, plan.title, "yes" if plan.found else "no", how)
    console().print(rows)
    click.echo("\n`overt setup TOOL` sets one up and says what it changes; `--undo` takes it back.")


def _print(plans: list[Plan], *, as_json: bool) -> None:
    if as_json:
        print_json([_fields(plan) for plan in plans])
        return
    for plan in plans:
        click.secho(plan.title, bold=True)
        for change in plan.changes:
            click.echo(f"  would {change.describe()}")
        if plan.recipe:
            click.echo(plan.recipe)
        if plan.after:
            click.echo(plan.after)


def _carry_out(plans: list[Plan], *, undo: bool, yes: bool, as_json: bool) -> None:
    if as_json and not yes:
        raise click.UsageError("--json changes nothing without --yes; --print --json says what would change.")
    made: list[dict[str, Any]] = []
    for plan in plans:
        todo = [change for change in plan.changes if (change.made() if undo else not change.done())]
        if not as_json:
            _announce(plan, [change.describe() for change in todo], undo=undo)
        if todo and (yes or click.confirm("Take this back?" if undo else "Do this?", default=not undo)):
            for change in reversed(todo) if undo else todo:
                change.undo() if undo else change.apply()
            if not as_json:
                click.echo("Taken back." if undo else f"Done. {plan.after}")
        made.append(_fields(plan))
    if as_json:
        print_json(made)


def _announce(plan: Plan, lines: list[str], *, undo: bool) -> None:
    out = console()
    out.print(Text(plan.title, style="bold"))
    if not plan.found and not undo:
        out.print(f"{plan.title} was not found on this machine.")
    for line in lines:
        out.print(Text(f"  {'take back: ' if undo else ''}{line}"))
    if not lines:
        out.print(Text(plan.recipe or "Nothing is left to do." if not undo else "There is nothing to take back."))
        if plan.after and not undo:
            out.print(Text(plan.after))


def _fields(plan: Plan) -> dict[str, Any]:
    return {
        "tool": plan.target,
        "title": plan.title,
        "found": plan.found,
        "done": plan.found and plan.done,
        "changes": [change.describe() for change in plan.changes],
        "recipe": plan.recipe,
        "after": plan.after,
    }
