"""Names that were added on this device: looked for by the gate and by recovery, and on disk only as digests."""

from typing import Any

import pytest

from capture_gate.recovery import recover
from capture_gate.roster import FILE_NAME, add_to_roster, clear_roster, read_roster, roster_size
from event_model.errors import FormatError
from event_model.events import FILLER, DocumentEdit, Origin
from event_model.keys import Secret

NAMES = ["Emmy Noether", "grete.hermann@firm.example"]
LINE = "Emmy Noether asked grete.hermann about Rings.\n"
MASKED = f"{FILLER * 12} asked {FILLER * 13} about Rings.\n"


async def typed(person: Any, text: str, *, killed: bool) -> None:
    door = await person.door()
    document = door.open_document(path=person.work / "a.py", language="python", text="").document
    assert document is not None
    for at, sign in enumerate(text):
        door.offer(DocumentEdit(document, at, 0, sign, Origin.TYPED, 100))
    await door.flush()
    if not killed:
        await door.close()
        return
    await door._sessions._writer.close()
    await door._sessions.store.close()


async def sealed(person: Any) -> str:
    store = await person.store()
    try:
        await recover(store, person.ledger, person.keys.installation, clock=person.clock)
        bodies = [each.event.body async for each in store.events()]
    finally:
        await store.close()
    return "".join(body.inserted for body in bodies if isinstance(body, DocumentEdit))


@pytest.mark.parametrize("killed", [False, True])
async def test_names_of_the_roster_are_masked_also_after_a_crash(person: Any, *, killed: bool) -> None:
    person.join()
    assert add_to_roster(person.home, person.keys.installation, NAMES) == 2
    await typed(person, LINE, killed=killed)
    assert await sealed(person) == MASKED


async def test_without_a_roster_these_names_pass(person: Any) -> None:
    person.join()
    await typed(person, LINE, killed=False)
    assert await sealed(person) == LINE


def test_the_file_holds_digests_that_only_this_installation_can_ask(person: Any) -> None:
    person.join()
    installation = person.keys.installation
    add_to_roster(person.home, installation, NAMES)
    assert add_to_roster(person.home, installation, [*NAMES, "Olga Taussky"]) == 1
    data = (person.home / FILE_NAME).read_bytes().lower()
    assert not any(part in data for part in (b"emmy", b"noether", b"hermann", b"olga"))
    assert (person.home / FILE_NAME).stat().st_mode & 0o077 == 0
    assert read_roster(person.home, installation).knows("Olga Taussky")
    assert not read_roster(person.home, Secret(b"another installation, 32 bytes !")).knows("Olga Taussky")
    assert roster_size(person.home) == 3
    clear_roster(person.home)
    assert roster_size(person.home) == 0


async def test_with_a_damaged_roster_nothing_is_captured(person: Any) -> None:
    person.join()
    person.home.mkdir(exist_ok=True)
    (person.home / FILE_NAME).write_text("{")
    door = await person.door()
    verdict = door.open_document(path=person.work / "a.py", language="python", text="x")
    await door.close()
    assert verdict.document is None
    assert "roster-damaged" in {refused.code for refused in verdict.refusals}
    with pytest.raises(FormatError, match="roster"):
        read_roster(person.home, person.keys.installation)
