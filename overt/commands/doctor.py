"""doctor: what is wrong, and the way out."""

from __future__ import annotations

import sys

import click
import msgspec

from overt.console import json_option, print_json
from overt.device import Device
from overt.diagnosis import diagnose
from overt.setup.plan import Surroundings


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Find what is wrong, and how to mend it.

    Looks at the program that editors start, the machine, consent, keys, store and the plugins that `overt setup`
    installed. Changes nothing. The exit code is 0 when all is well; else that of the first fault: 3 for consent, 4 for
    a key, 6 for the store, 1 for anything else.
    """
    findings = diagnose(Device(), Surroundings.here())
    if as_json:
        print_json([msgspec.to_builtins(each) for each in findings])
    else:
        for each in findings:
            click.secho(
                ("ok    " if each.ok else "WRONG ") + f"{each.check}: {each.detail}", fg=None if each.ok else "red"
            )
            if each.hint:
                click.echo(f"      {each.hint}")
    sys.exit(next((each.exit_code for each in findings if not each.ok), 0))
