"""The demonstration itself: each step runs the real thing, and says in plain words what happened."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pyarrow.dataset
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from event_model.errors import OvertError
from event_model.events import FILLER
from overt.console import bytes_text, console, table
from overt.demo.editor import ScriptedEditor, did_change
from overt.demo.house import OVERT, House
from overt.demo.neovim import installed, type_in_neovim
from overt.demo.secrets import aws_access_key, email_address, typed_key_by_key
from overt.demo.trace import Trace, Transaction, content_changes, read_trace

HOLD_S = 15
"""A study holds for a day; the demonstration has a minute."""

MESSAGES_AT_ONCE = 100
ROWS_SHOWN = 3
STEPS = 7


class Demo:
    """One run in one folder. OvertError: if anything is not as promised."""

    def __init__(self, folder: Path) -> None:
        self._house = House(folder)
        self._out = console()
        self._step = 0
        self._random = random.Random()
        self._key = aws_access_key(self._random)
        self._email = email_address(self._random)
        self._expected: dict[str, str] = {}

    async def run(self) -> None:
        """Show all of it."""
        began = time.monotonic()
        self._out.print(Panel("overt, from a keystroke to a training file, in a throw-away folder", style="bold"))
        try:
            await self._join()
            await self._edit()
            await self._type_secrets()
            await self._neovim()
            await self._look()
            await self._send()
            await self._build()
        finally:
            await self._house.close()
        self._out.print(f"\n[bold green]All of it held.[/] {time.monotonic() - began:.0f} seconds.")

    async def _join(self) -> None:
        self._say("A study is made, and a person joins it")
        await self._house.found_study(hold_s=HOLD_S)
        before = await self._house.overt("status", "--json")
        joined = await self._house.join()
        self._note(f"before: capture is [bold]{before['state']}[/], and no file exists in the person's store")
        self._note(f"joined; this study knows the person only as [cyan]{joined['pseudonym']}[/]")

    async def _edit(self) -> None:
        self._say("An editor starts the sidecar; a recorded session is played")
        trace = read_trace(Path(__file__).with_name("rustcode-excerpt.json.gz"))
        editor = await self._house.start_editor()
        path = self._house.work / "skiplist.rs"
        uri = editor.open(path, "rust", trace.startContent)
        with self._bar() as bar:
            task = bar.add_task("edits", total=len(trace.txns))
            messages = _messages(uri, trace)
            for start in range(0, len(messages), MESSAGES_AT_ONCE):
                await editor.send(messages[start : start + MESSAGES_AT_ONCE])
                bar.advance(task, len(messages[start : start + MESSAGES_AT_ONCE]))
            status = await editor.request("overt/flush")
        path.write_text(trace.endContent, "utf-8")
        editor.save(uri)
        editor.close(uri)
        self._expected[path.name] = trace.endContent
        self._note(
            f"{trace.edits:,} edits typed; {status['studies'][0]['durable']:,} events durable, encrypted, on disk"
        )
        self._note("session by Joseph Gentle, CC BY 4.0")
        await self._refuse(editor)
        await editor.stop()

    async def _refuse(self, editor: ScriptedEditor) -> None:
        secret = self._house.work / ".env"
        uri = editor.open(secret, "dotenv", "PASSWORD=never captured\n")
        why = await editor.request("overt/why", {"uri": uri})
        self._note(f"a [bold].env[/] is opened too: refused, [yellow]{why['refusals'][0]['code']}[/]")

    async def _type_secrets(self) -> None:
        self._say("Someone types a key and an address, one key at a time, with slips")
        text = f'AWS_KEY = "{self._key}"\nOWNER = "{self._email}"\n'
        patches = typed_key_by_key(text, self._random)
        trace = Trace("", text, tuple(Transaction((patch,)) for patch in patches))
        editor = await self._house.start_editor()
        path = self._house.work / "settings.py"
        uri = editor.open(path, "python", "")
        await editor.send(_messages(uri, trace))
        await editor.request("overt/flush")
        path.write_text(text, "utf-8")
        editor.save(uri)
        editor.close(uri)
        await editor.stop()
        self._expected[path.name] = text
        self._note(f"typed:  {text.splitlines()[0]}")
        self._note(f"        {text.splitlines()[1]}")

    async def _neovim(self) -> None:
        nvim = installed()
        self._say("A real Neovim does the same" if nvim else "Neovim is not installed; this step is left out")
        if nvim is None:
            return
        path = self._house.work / "circle.py"
        code = await type_in_neovim(
            nvim, root=self._house.work, file=path, command=(*OVERT, "lsp"), environment=self._house.environment
        )
        if code or not path.exists():
            raise OvertError(f"Neovim ended with {code}", code="demo")
        self._expected[path.name] = path.read_text("utf-8")
        self._note(f"typed, substituted, pasted, undone; saved {path.name}:")
        for line in self._expected[path.name].splitlines():
            self._note(Text(f"  {line}"))

    async def _look(self) -> None:
        self._say("It stays here first: look, and see what was taken out")
        await self._house.start_receiver()
        sync = await self._house.sync()
        self._note(
            f"sync now: {sync['uploaded']} segments sent, [bold]{sync['held']} on hold[/] for {HOLD_S} s (else a day)"
        )
        shown = (await self._house.overt("show", "--all")).splitlines()
        masked = [line[line.index("settings.py") :] for line in shown if FILLER in line and "settings.py" in line]
        self._note(f"`overt show` has {len(shown):,} lines; {len(masked)} of them with something masked, such as")
        for line in masked[:2]:
            self._note(Text(f"  {line[:110]}"))
        kept = b"".join(path.read_bytes() for path in self._house.person.rglob("*") if path.is_file())
        self._require(b"skip list" not in kept and self._key.encode() not in kept, "the store holds readable text")
        self._note(f"the store is {bytes_text(len(kept))}; neither the code nor the key can be read in it")
        waiting = await self._house.overt("sync", "--explain", "--json")
        left = max([row["due_ms"] for row in waiting], default=0) / 1000 - time.time()
        with self._bar() as bar:
            for _ in bar.track(range(max(1, round(left * 10) + 5)), description="waiting for the hold"):
                await asyncio.sleep(0.1)

    async def _send(self) -> None:
        self._say("Sealed to the study's key, and sent to a receiver that can't read it")
        sync = await self._house.sync()
        again = await self._house.sync()
        self._require(sync["uploaded"] > 0 and again["uploaded"] == 0, "a segment was sent twice, or none was")
        received = [path for path in self._house.received.rglob("*.overt") if path.is_file()]
        held = b"".join(path.read_bytes() for path in received)
        self._require(b"skip list" not in held and self._key.encode() not in held, "the receiver can read it")
        self._note(f"{sync['uploaded']} segments, {bytes_text(sync['bytes_sent'])}, each with a signed receipt")
        self._note("sync again: nothing is sent twice")

    async def _build(self) -> None:
        self._say("With the study's private key, a dataset is built, and replayed to the character")
        await self._house.build()
        events = pyarrow.dataset.dataset(self._house.dataset / "events").to_table().to_pylist()
        documents = pyarrow.dataset.dataset(self._house.dataset / "documents").to_table().to_pylist()
        rows = table("kind", "document", "position", "deleted", "inserted", "origin", title="events (Parquet)")
        for row in _examples(events):
            excerpt = repr(row["inserted"])[:40]
            rows.add_row(
                row["kind"], str(row["document"]), str(row["position"]), str(row["deleted"]), excerpt, row["origin"]
            )
        self._out.print(rows)
        for name, expected in self._expected.items():
            found = next((row for row in documents if Path(row["path"]).name == name), None)
            self._require(found is not None and _same(found, expected), f"{name} does not replay")
            spans = found["final_masks"] if found else []
            kinds = ", ".join(span["placeholder"] for span in spans)
            self._note(
                f"[green]exact[/]  {name}: {len(expected):,} characters" + (f", masked: {kinds}" if kinds else "")
            )
        everything = str(events) + str(documents)
        self._require(self._key not in everything and self._email not in everything, "a secret is in the dataset")
        self._note("neither the key nor the address is in the dataset; the .env left no trace")
        self._require(all("never captured" not in str(row) for row in documents), "the .env was captured")

    def _bar(self) -> Progress:
        columns = (TextColumn("    {task.description:<22}"), BarColumn(), MofNCompleteColumn())
        return Progress(*columns, console=self._out, transient=True)

    def _say(self, title: str) -> None:
        self._step += 1
        self._out.print(f"\n[bold cyan]{self._step}/{STEPS}[/] [bold]{title}[/]", soft_wrap=True)

    def _note(self, words: str | Text) -> None:
        self._out.print(Text("    ") + words if isinstance(words, Text) else f"    {words}", soft_wrap=True)

    def _require(self, held: bool, what: str) -> None:  # noqa: FBT001 - reads like a sentence
        if not held:
            raise OvertError(f"the demonstration found that {what}", code="demo", hint="Please report this.")


def _messages(uri: str, trace: Trace) -> list[bytes]:
    changes = content_changes(trace.startContent, trace.txns)
    return [did_change(uri, version, change) for version, change in enumerate(changes, start=1)]


def _examples(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pick a few edits of each session: the first ones, and where there are any, masked ones."""
    picked: list[dict[str, Any]] = []
    for session in dict.fromkeys(row["session"] for row in events):
        edits = [row for row in events if row["session"] == session and row["kind"] == "document.edit"]
        masked = [row for row in edits if FILLER in row["inserted"]]
        picked += (masked or edits)[:ROWS_SHOWN]
    return picked


def _same(row: dict[str, Any], expected: str) -> bool:
    """Hold a document of the dataset against what was typed: equal outside the masked spans, filler inside."""
    text = list(expected)
    for span in row["final_masks"] or ():
        text[span["start"] : span["start"] + span["length"]] = FILLER * span["length"]
    return bool(row["exact"]) and "".join(text) == row["final_text"]
