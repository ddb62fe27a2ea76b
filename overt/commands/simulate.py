"""simulate: a synthetic fleet, for trials, load tests and training where nobody should be recorded."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from overt.console import console, json_option, print_json, table

TRUTH = "truth.jsonl"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--people", type=click.IntRange(1, 100_000), default=10, show_default=True, help="How many work.")
@click.option("--days", type=click.IntRange(1, 260), default=5, show_default=True, help="Working days.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same events.")
@click.option(
    "--edits", type=click.IntRange(40), default=500, show_default=True, help="Edits a session, in the median."
)
@click.option("--through-gate", is_flag=True, help="Through consent, gate, store, sync and receiver.")
@click.option("--no-filter", is_flag=True, help="Seal unmasked, for load tests: everything in it is made up.")
@click.option(
    "--compare", "traces", type=click.Path(path_type=Path, exists=True), multiple=True,
    help="Measure how like a recorded editing trace the fleet's edits are. Repeatable.",
)  # fmt: skip
@json_option
def simulate(
    folder: Path, people: int, days: int, seed: int, edits: int, traces: tuple[Path, ...],
    *, through_gate: bool, no_filter: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make up a fleet of developers and support staff, and what they do, in FOLDER.

    FOLDER gets `study` (manifest and keys), `received` (sealed segments, as a receiver has them) and `truth.jsonl`:
    every secret and personal datum that was planted, where, and how it came there. Nobody exists.

    \b
    overt simulate fleet/ --people 50 --days 5 --seed 1
    overt dataset build fleet/received --study fleet/study/study.json --key fleet/study/study.key --out dataset/
    overt dataset check dataset/ --truth fleet/truth.jsonl
    """
    from overt.simulation.fleet import FleetPlan  # noqa: PLC0415 - help is shown without it
    from overt.simulation.study import found_study  # noqa: PLC0415

    if folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not empty; choose a new folder")
    plan = FleetPlan(people, days, seed, edits)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    work = (folder / "work").resolve()
    manifest = found_study(folder / "study", workspaces=work, start_ms=plan.start_ms, end_ms=plan.end_ms)
    (folder / "received").mkdir(mode=0o700)
    columns = (TextColumn("sessions"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console(), disable=as_json) as bar, (folder / TRUTH).open("wb") as truth:
        run = _Run(plan, folder, bar, truth)
        if through_gate:
            from overt.simulation.gated import simulate_through_gate  # noqa: PLC0415 - needs the receiver's extra

            asyncio.run(
                simulate_through_gate(
                    plan, folder=folder, study=folder / "study", manifest=manifest, work=work, tell=run.tell
                )
            )
        else:
            run.seal(manifest.payload, masked=not no_filter)
    rows = _compare(traces, plan) if traces else []
    if as_json:
        print_json({**run.counts, "realism": msgspec.to_builtins(rows)})
        return
    counts = run.counts
    click.echo(
        f"{counts['events']:,} events of {counts['sessions']:,} sessions by {counts['people']} people; "
        f"{counts['planted']} values planted ({folder / TRUTH})."
    )
    if rows:
        shown = table("measure", "real", "simulated", "distance", title="Beside the recorded traces")
        for row in rows:
            shown.add_row(row.measure, _numbers(row.real), _numbers(row.simulated), f"{row.distance:.2f}")
        console().print(shown)


class _Run:
    """What was simulated so far."""

    def __init__(self, plan: Any, folder: Path, bar: Progress, truth: Any) -> None:
        from overt.simulation.fleet import SESSIONS_A_DAY  # noqa: PLC0415

        self._plan = plan
        self._folder = folder
        self._bar = bar
        self._task = bar.add_task("sessions", total=plan.people * plan.days * SESSIONS_A_DAY)
        self._truth = truth
        self._people: set[int] = set()
        self._sessions = self._events = self._planted = 0

    @property
    def counts(self) -> dict[str, int]:
        """What there is."""
        return {
            "people": len(self._people),
            "sessions": self._sessions,
            "events": self._events,
            "planted": self._planted,
        }

    def tell(self, session: Any) -> None:
        """Count a session, and write down what was planted in it."""
        self._people.add(session.person.number)
        self._sessions += 1
        self._events += len(session.steps)
        for truth in session.truth:
            self._truth.write(msgspec.json.encode(truth) + b"\n")
            self._planted += 1
        self._bar.advance(self._task)

    def seal(self, manifest: Any, *, masked: bool) -> None:
        """Filter and seal every session."""
        from overt.simulation.fleet import sessions_of  # noqa: PLC0415
        from overt.simulation.people import make_people  # noqa: PLC0415
        from overt.simulation.sealing import SimulatedDevice  # noqa: PLC0415
        from privacy_filter.detectors import default_detector  # noqa: PLC0415

        detector = default_detector() if masked else None
        for person in make_people(self._plan.people, self._plan.seed):
            device = SimulatedDevice(
                person, seed=self._plan.seed, manifest=manifest, received=self._folder / "received"
            )
            for session in sessions_of(person, self._plan):
                device.seal(session, detector)
                self.tell(session)


def _compare(traces: tuple[Path, ...], plan: Any) -> list[Any]:
    from overt.demo.trace import read_trace  # noqa: PLC0415
    from overt.simulation import realism  # noqa: PLC0415
    from overt.simulation.fleet import simulate as sessions  # noqa: PLC0415

    real = realism.measure([realism.edits_of_trace(read_trace(path)) for path in traces])
    made = realism.measure(realism.edits_of_sessions(sessions(plan)))
    return realism.compare(real, made)


def _numbers(values: tuple[float, ...]) -> str:
    return " / ".join(f"{value:.3f}" if value < 1 and value != int(value) else f"{value:,.0f}" for value in values)
