"""What forgetting needs beside the store: what was sent already is asked back from the receiver."""

from __future__ import annotations

import contextlib

import click

from event_model.errors import OvertError
from event_model.ids import StudyId
from event_model.receipts import SentSpan
from local_store.forgetting import Selection
from local_store.model import SegmentState
from local_store.store import Forgotten, Progress, Store
from overt.console import local_time, print_json
from overt.device import Device

REASON = "forgotten by the person"


async def forget(device: Device, store: Store, selection: Selection, progress: Progress) -> Forgotten:
    """Forget what is selected, and ask back what was sent of it, also where the forgetting does not come to its end.

    StoreUnwritable: as ``Store.forget``; what was done till then stays, and is asked back.
    """
    sent = {info.place for info in await store.segments() if info.state is SegmentState.UPLOADED}
    try:
        done = await store.forget(selection, progress)
    except OvertError:
        gone = {info.place for info in await store.segments() if info.state is SegmentState.FORGOTTEN}
        with contextlib.suppress(OvertError):  # what stopped the forgetting is what the person is told
            ask_back(device, Forgotten(0, 0, tuple(sorted(sent & gone))))
        raise
    ask_back(device, done)
    return done


def forget_sent(device: Device, study: StudyId, span: SentSpan, *, yes: bool, as_json: bool) -> None:
    """Queue a request to erase what came to a study's receiver in a span of time; the next sync delivers it.

    ConsentError: if the study was never joined. Abort: if the person says no.
    """
    if not yes:
        since, until = local_time(span.since_ms), local_time(span.until_ms)
        click.echo(f"The receiver of {study} is asked to erase all that came there from you from {since} to {until}.")
        if not click.confirm("This can't be undone. Ask for it?", default=False):
            raise click.Abort
    device.ledger.request_deletion_of_sent(
        study, span, installation=device.keys().installation, now_ms=device.clock.wall_ms()
    )
    if as_json:
        print_json({"study": study, "since_ms": span.since_ms, "until_ms": span.until_ms})
    else:
        click.echo("Asked for; `overt sync` delivers it.")


def ask_back(device: Device, forgotten: Forgotten) -> None:
    """Queue a deletion request for each study of which something was sent; the next sync delivers it."""
    device.ledger.stir()  # editors that run begin new sessions
    for study in {study for study, _, _ in forgotten.uploaded_segments}:
        device.ledger.request_deletion(
            study,
            segments=tuple((epoch, number) for name, epoch, number in forgotten.uploaded_segments if name == study),
            now_ms=device.clock.wall_ms(),
            installation=device.keys().installation,
            reason=REASON,
        )
