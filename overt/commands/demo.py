"""demo: the main job, shown."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import click

from overt.demo.show import Demo


@click.command()
@click.option("--keep", type=click.Path(path_type=Path), help="Keep everything in this folder, to look around.")
def demo(keep: Path | None) -> None:
    """Show the main job on this machine, in a throw-away folder, in a minute.

    Makes a study, joins it, lets a scripted editor play a recorded session through the real sidecar, masks two planted
    secrets, holds, seals, uploads to a receiver on loopback, builds a dataset, and checks that it replays exactly.
    Touches nothing outside its folder: not your keyring, not your own store.
    """
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise click.UsageError(f"{keep} is not empty; choose a new folder")
    folder = keep or Path(tempfile.mkdtemp(prefix="overt-demo-"))
    try:
        asyncio.run(Demo(folder).run())
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    if keep is not None:
        click.echo(f"Everything is in {folder}. For example: OVERT_HOME={folder}/person overt show --all")
