"""dataset build, check, view: training data from what a receiver holds."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from consent_ledger.manifest import read_manifest
from event_model.errors import DatasetError
from event_model.keys import RecipientSecretKey
from overt.console import console, json_option, print_json, table
from overt.custody import approving_keys, open_key, tell_released
from overt.keyfiles import read_recipient_key, read_signing_key


@click.group()
def dataset() -> None:
    """Build training data from sealed segments, check it, and show it in formats that others read.

    Opening the segments takes the study's private key. What is built holds contributors under names of its own.
    """


@dataset.command()
@click.argument("source")
@click.option("--study", type=click.Path(path_type=Path, exists=True), required=True, help="The signed manifest.")
@click.option("--key", type=click.Path(path_type=Path), help="study.key, where it was never split.")
@click.option("--share", "shares", type=click.Path(path_type=Path), multiple=True, help="A custodian's share. Repeat.")
@click.option("--purpose", help="What the data are opened for, in words that every participant can read.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to write.")
@click.option("--second-pass/--no-second-pass", default=True, help="Filter again, with this version's rules (default).")
@click.option("--work", type=click.Path(path_type=Path), help="What one build leaves to the next; OUT.work by default.")
@click.option("--fresh", is_flag=True, help="Build everything anew, and leave nothing to the next build.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes; as many as there are processors by default.")
@click.option("--ray", is_flag=True, help="Run on Ray: on this machine, or on the cluster of --ray-address.")
@click.option("--ray-address", help="A Ray cluster, whose machines see SOURCE and --work under the same paths.")
@json_option
def build(
    source: str, study: Path, key: Path | None, shares: tuple[Path, ...], purpose: str | None, out: Path,
    work: Path | None, ray_address: str | None, workers: int | None,
    *, second_pass: bool, fresh: bool, ray: bool, as_json: bool,
) -> None:  # fmt: skip
    """Build a dataset in OUT from SOURCE: the receiver's data folder, or s3://BUCKET/PREFIX.

    Rebuilds every session, checks that each document replays to the character, and writes Parquet tables, next-edit
    examples and a card. Damaged segments are counted and named, never fatal. Only what is new since the last build is
    opened, and what was erased since is gone; a build that was stopped goes on where it was.

    \b
    overt dataset build /srv/overt --study study.json --out dataset/ \\
        --share custodian-1.share --share custodian-3.share --purpose "Train the completion model, first round"

    A split key takes enough shares and a purpose. Both stand in the study's audit log, where every participant can
    read them, before anything is opened.
    """
    if (key is None) == (not shares):
        raise click.UsageError("give --key, or --share for each custodian and --purpose")
    builder, engines = _load("dataset_builder.build"), _load("dataset_builder.engine")
    manifest = read_manifest(study.read_bytes())
    opened = open_key(manifest.payload, key=key, shares=shares, purpose=purpose)
    columns = (TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console(), disable=as_json) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(step: Any) -> None:
            task = tasks.get(step.stage)
            if task is None:
                task = tasks[step.stage] = bar.add_task(step.stage, total=step.total)
            bar.update(task, completed=step.done, total=step.total)

        report = builder.build(
            source=source,
            manifest=manifest.payload,
            secret=opened.secret,
            out=out,
            # Names stay the same from build to build, and tell nothing without the study's private key.
            salt=_salt(opened.secret, manifest.payload.id),
            progress=progress,
            second_pass=second_pass,
            engine=engines.Engine(
                engines.Runner.RAY if ray or ray_address else engines.Runner.NATIVE,
                workers or os.cpu_count() or 1,
                ray_address,
            ),
            work=None if fresh else work or out.with_name(f"{out.name}.work"),
        )
    card = hashlib.sha256((out / "dataset.json").read_bytes()).hexdigest()
    opened.tell_built(manifest.payload, digest=card, count=report.counts.objects)
    if as_json:
        print_json(report)
        return
    rows = table("", "")
    for name, value in msgspec.to_builtins(report.counts).items():
        rows.add_row(name.replace("_", " "), f"{value:,}")
    console().print(rows)
    reused = report.reused
    if reused.objects:
        click.echo(f"As before: {reused.objects:,} objects, {reused.sessions:,} sessions and {reused.files:,} files.")
    for problem in report.problems:
        click.secho(f"set aside: {problem}", fg="yellow")
    if not report.counts.objects:
        click.secho(f"{source} holds no segment of this study any more: the dataset is empty.", fg="yellow", err=True)
    click.echo("Read it:")
    for line in _load("dataset_builder.loading").lines(out):
        click.echo(f"  {line}")


@dataset.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--source", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The receiver's data folder."
)
@click.option("--key", type=click.Path(path_type=Path), help="study.key; goes with --source.")
@click.option("--truth", type=click.Path(path_type=Path, exists=True), help="What `overt simulate` planted.")
@json_option
def check(folder: Path, source: Path | None, key: Path | None, truth: Path | None, *, as_json: bool) -> None:
    """Replay every document of a built dataset from its edits and compare. Exit code 9 when anything is wrong.

    With --source and --key, prove also that it holds nothing which was erased at the receiver since; with --truth, that
    none of the values planted in a simulated fleet stands anywhere in it.
    """
    if (source is None) != (key is None):
        raise click.UsageError("--source and --key go together")
    report = _load("dataset_builder.check").check(folder)
    stale: tuple[Any, ...] = ()
    if source is not None and key is not None:
        study = _load("dataset_builder.card").read_card(folder).study.id
        salt = _salt(read_recipient_key(key), study)
        stale = _load("dataset_builder.erased").find_erased(folder, source=source, salt=salt)
    leaks: tuple[Any, ...] = ()
    planted: list[Any] = []
    if truth is not None:
        finder = _load("dataset_builder.planted")
        planted = finder.read_truth(truth)
        leaks = finder.find_planted(folder, planted)
    if as_json:
        found = {"erased": stale, "planted": len(planted), "leaks": leaks}
        print_json({**msgspec.to_builtins(report), **msgspec.to_builtins(found)})
    else:
        click.echo(
            f"{report.documents:,} documents; {report.documents_replayed:,} rebuilt from their edits, identical."
        )
        for problem in report.problems:
            click.secho(f"  {problem}", fg="red")
        if planted and not leaks:
            click.echo(f"None of {len(planted):,} planted values stands anywhere in it.")
        for leak in leaks:
            click.secho(f"  a planted {leak.kind} stands {leak.times} times in {leak.file}", fg="red")
        for each in stale:
            click.secho(f"  {each.events:,} events of {each.contributor} were erased since: build again", fg="red")
    if stale or leaks or not report.ok:
        sys.exit(9)


@dataset.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--format",
    "view_format",
    required=True,
    help="The format to write.",
    type=click.Choice(["editing-traces", "crowd-code", "progsnap2", "chat", "weblinx", "chrome-recorder"]),
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to write; it must not exist.")
@json_option
def view(folder: Path, view_format: str, out: Path, *, as_json: bool) -> None:
    """Write the built dataset FOLDER in a format that others read.

    editing-traces: a JSON file per document, with every edit. crowd-code, progsnap2: edits as CSV. chat: next-edit
    examples and next actions on pages as conversations. weblinx: demonstrations of turns. chrome-recorder: scripts.
    A view holds what the dataset held when it was written: write it again after every build.

    \b
    overt dataset view dataset/ --format chat --out chat/
    """
    views = _load("dataset_builder.views")
    report = views.write_view(folder, views.View(view_format), out)
    if as_json:
        print_json(report)
        return
    click.echo(f"{report.items:,} in {report.files:,} files; {report.left_out:,} left out.")


@dataset.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to write; it must not exist.")
@click.option("--k", type=click.IntRange(min=2), help="Contributors in each figure, at least; the study's by default.")
@json_option
def report(folder: Path, out: Path, k: int | None, *, as_json: bool) -> None:
    """Write a page about the built dataset FOLDER: pictures, counts, what was masked and left out, and why.

    Heatmaps of clicks, ways through applications, typing and corrections, activities, where pages give trouble. Every
    figure is of k contributors or more, never of one person. Open OUT/index.html; the aggregates lie beside it.

    \b
    overt dataset report dataset/ --out report/
    """
    written = _load("dataset_builder.report_page").write_report(folder, out, k=k)
    if as_json:
        print_json(written)
        return
    click.echo(f"{written.page}: {written.pictures} pictures; cells of fewer than {written.k} people were left out:")
    for name, count in written.dropped.items():
        click.echo(f"  {name}: {count:,}")


@dataset.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--study", type=click.Path(path_type=Path, exists=True), required=True, help="The signed manifest.")
@click.option("--owner-key", type=click.Path(path_type=Path), required=True, help="owner.key: the owner approves.")
@click.option("--share", "shares", type=click.Path(path_type=Path), multiple=True, required=True,
              help="A custodian's share, whose holder approves too. Repeatable.")  # fmt: skip
@click.option("--licence", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True,
              help="The licence, as text.")  # fmt: skip
@click.option("--statement", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True,
              help="The data statement: whose data, what for, what it is not for.")  # fmt: skip
@click.option("--budget", type=click.Path(path_type=Path), required=True, help="The study's privacy budget; is kept.")
@click.option("--epsilon", type=float, default=0.5, show_default=True, help="What the noisy counts may cost.")
@click.option("--total", type=float, default=2.0, show_default=True, help="The whole budget, when it is begun.")
@click.option("--purpose", required=True, help="What it is released for, in words that every participant can read.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to write; it must not exist.")
@json_option
def release(
    folder: Path, study: Path, owner_key: Path, shares: tuple[Path, ...], licence: Path, statement: Path,
    budget: Path, epsilon: float, total: float, purpose: str, out: Path, *, as_json: bool,
) -> None:  # fmt: skip
    """Make a release of the built dataset FOLDER for work with outside partners.

    New names that nobody can lead back, times shifted and rounded, text as character classes, names of files and hosts
    replaced, rare values made general, noisy counts from a kept budget, and figures on how easily people could be found
    again. The owner and a custodian approve: the study's log takes the entry, from both, before the folder stands.

    \b
    overt dataset release dataset/ --study study.json --owner-key owner.key --share custodian-1.share \\
        --licence LICENCE --statement STATEMENT.md --budget budget.json --purpose "A benchmark" --out release/
    """
    manifest = read_manifest(study.read_bytes()).payload
    module = _load("dataset_builder.release")
    keys = [read_signing_key(owner_key), *approving_keys(manifest, shares)]
    card = module.release(
        folder, out, licence=licence.read_text("utf-8"), statement=statement.read_text("utf-8"), approvers=keys,
        budget=budget, epsilon=epsilon, total=total,
        log=lambda digest: tell_released(manifest, keys, purpose=purpose, digest=digest),
    )  # fmt: skip
    if as_json:
        print_json(card)
        return
    before, after = card.reidentification_before, card.reidentification_after
    click.echo(f"{out}: {sum(file.rows for file in card.files):,} rows, approved by {len(keys)}, in the study's log.")
    click.echo(
        f"Found again by typing rhythm: {before.linked} of {before.compared} in the dataset, "
        f"{after.linked} of {after.compared} in the release; {after.chance:.0f} by chance."
    )


def _salt(secret: RecipientSecretKey, study: str) -> bytes:
    return secret.raw.derive(f"overt dataset salt 1 {study}").reveal()


def _load(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise DatasetError(
            f"the dataset builder's packages are missing ({error.name})",
            code="extra-missing",
            hint="Install them: pip install 'overt[dataset]'",
        ) from error
