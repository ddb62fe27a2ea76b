"""A developer's session: files of a workspace are opened, changed task by task, saved and closed."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable

from event_model.events import CaptureStart, CommandRun, EditorFocus, Origin, ViewportChange
from overt.simulation.code import Module, make_module, names_in, new_name, words_in
from overt.simulation.desk import Desk, File
from overt.simulation.people import Person
from overt.simulation.plants import Plant

MAX_BLOCK_CHARS = 1_400
"""A function longer than this is not typed in one go; it is pasted or left alone."""

NEAR_CHARS = 250
"""What lies so near to the caret (code points) is most often changed next."""

LINES_IN_VIEW = 45
VERSION = "0.1.0"

_PLAIN_LINE = re.compile(r"^( *)(?!def |class |@|\"|#)\S.*$", re.MULTILINE)

_DOING = {
    "_write_block": "writing",
    "_write_comment": "writing",
    "_ask_agent": "writing",
    "_mend_line": "debugging",
    "_remove_something": "debugging",
    "_undo": "debugging",
    "_rename_by_hand": "refactoring",
    "_rename_by_command": "refactoring",
    "_move_lines": "refactoring",
    "_indent_lines": "refactoring",
    "_read": "reviewing",
    "_hunt": "searching",
}
"""What a person is about in each task."""


class Developer:
    """One session of about so many edits, with what is planted in it."""

    def __init__(
        self, person: Person, source: random.Random, *, edits: int, plants: tuple[Plant, ...], workspace: str
    ) -> None:
        self.desk = Desk(person, source)
        self._source = source
        self._target = edits
        self._plants = plants
        self._workspace = workspace
        self.places: list[tuple[Plant, str]] = []
        """Where each plant came to stand."""
        self._tasks: tuple[tuple[float, Callable[[File], None]], ...] = (
            (0.03, self._write_block),
            (0.40, self._mend_line),
            (0.14, self._rename_by_hand),
            (0.06, self._rename_by_command),
            (0.06, self._write_comment),
            (0.10, self._move_lines),
            (0.12, self._remove_something),
            (0.14, self._indent_lines),
            (0.06, self._undo),
            (person.delegates / 4, self._ask_agent),
            (0.10, self._read),
            (0.02, self._hunt),
        )
        self._waiting: list[str] = []

    def work(self) -> None:
        """Do the whole session."""
        desk, client = self.desk, self.desk.person.client
        desk.put(CaptureStart(client[0], client[1], VERSION, client[2]))
        plants = list(self._plants)
        while desk.edits < self._target:
            file = self._open(plants)
            until = min(self._target, desk.edits + self._source.randint(150, 400))
            while desk.edits < until:
                if plants and self._source.random() < 0.3:
                    self._plant(file, plants.pop())
                weights = [weight for weight, _task in self._tasks]
                task = self._source.choices([task for _weight, task in self._tasks], weights)[0]
                desk.doing = _DOING[task.__name__]
                desk.wait(3_000, 1.0)
                task(file)
                if self._source.random() < 0.35:
                    self._format_and_save(file)
            for plant in plants[1:]:
                self._plant(file, plant)
            del plants[1:]
            desk.save(file)
            desk.close(file)
        for plant in plants:
            file = self._open([])
            self._plant(file, plant)
            desk.close(file)

    def _open(self, plants: list[Plant]) -> File:
        """Open a module of which some blocks are still to be written."""
        self.desk.doing = "reviewing"
        module = make_module(self._source)
        kept = [block for block in module.blocks if self._source.random() < 0.6] or [module.blocks[0]]
        self._waiting = [block for block in module.blocks if block not in kept and len(block) <= MAX_BLOCK_CHARS]
        text = Module(module.name, module.head, tuple(kept)).text
        path = f"src/{new_name(self._source)}/{module.name}.py"
        for plant in [plant for plant in plants if plant.how == "initial"]:
            plants.remove(plant)
            text = f"{plant.line}\n{text}"
            self.places.append((plant, path))
        file = self.desk.open(path, "python", text, self._workspace)
        if file.number == 1:
            self.desk.put(EditorFocus(focused=True))
        self._look(file, 0)
        return file

    def _plant(self, file: File, plant: Plant) -> None:
        """Write a planted line at the top of the file."""
        desk = self.desk
        desk.doing = "writing"
        desk.go(file, 0)
        if plant.how in {"pasted", "initial"}:
            desk.type(file, "\n")
            desk.go(file, 0)
            before, _value, after = plant.line.partition(plant.value)
            desk.type(file, before)
            desk.paste(file, plant.value)
            desk.type(file, after)
        elif plant.how == "halves":
            cut = plant.line.index(plant.value) + len(plant.value) // 2
            desk.type(file, plant.line[:cut])
            place = file.caret
            desk.go(file, len(file.text))
            desk.type(file, "# later\n")
            desk.go(file, place)
            desk.type(file, plant.line[cut:] + "\n")
        else:
            desk.type(file, plant.line + "\n")
        self.places.append((plant, file.path))

    # Tasks

    def _write_block(self, file: File) -> None:
        if not self._waiting:
            self._mend_line(file)
            return
        block = self._waiting.pop().rstrip() + "\n\n\n"
        place = self._line_start(file, "def ") if self._source.random() < 0.5 else len(file.text)
        self.desk.go(file, place)
        if len(block) < 700 or self._source.random() < 0.5:
            self.desk.type(file, block)
        else:
            self.desk.paste(file, block)

    def _mend_line(self, file: File) -> None:
        """Change one name in a line to another of the file."""
        found = self._some_line(file)
        names = names_in(file.text)
        if found is None or len(names) < 2:
            return
        start, line = found
        inside = names_in(line)
        if not inside:
            return
        old, new = self._source.choice(inside), self._source.choice(names)
        self._swap(file, start + line.index(old), old, new)

    def _rename_by_hand(self, file: File) -> None:
        """Change a name wherever it stands, one place after the other: what a model can learn to go on with."""
        old = self._repeated(file)
        if old is None:
            return
        new = new_name(self._source)
        for number, place in enumerate(_occurrences(file.text, old)[:8]):
            shift = number * (len(new) - len(old))
            self._swap(file, place + shift, old, new)

    def _rename_by_command(self, file: File) -> None:
        old = self._repeated(file)
        if old is None:
            return
        new = new_name(self._source)
        self.desk.wait(1_500)
        self.desk.put(CommandRun("editor.action.rename"))
        self.desk.wait(2_500)
        places = reversed(_occurrences(file.text, old))
        self.desk.joined([(file, place, len(old), new) for place in places], Origin.UNKNOWN)

    def _write_comment(self, file: File) -> None:
        found = self._some_line(file)
        if found is None:
            return
        start, line = found
        indent = line[: len(line) - len(line.lstrip())]
        words = " ".join(self._source.choices(names_in(file.text) or ["this"], k=self._source.randint(2, 6)))
        self.desk.go(file, start)
        self.desk.type(file, f"{indent}# {words}\n")

    def _move_lines(self, file: File) -> None:
        """Cut a line and paste it a little further down."""
        found = self._some_line(file)
        if found is None:
            return
        start, line = found
        self.desk.select(file, start, start + len(line) + 1)
        self.desk.wait(700)
        self.desk.replace(file, start, len(line) + 1, "")
        place = file.text.find("\n", start) + 1
        self.desk.go(file, place)
        self.desk.paste(file, line + "\n")

    def _remove_something(self, file: File) -> None:
        """Take out a line, or what is left of one."""
        found = self._some_line(file)
        if found is None:
            return
        start, line = found
        indent = len(line) - len(line.lstrip())
        cut = 0 if self._source.random() < 0.5 else self._source.randint(indent, len(line))
        self.desk.select(file, start + cut, start + len(line))
        self.desk.wait(500)
        self.desk.replace(file, start + cut, len(line) - cut, "")

    def _indent_lines(self, file: File) -> None:
        """Move some lines to the right or back, as one transaction of several cursors."""
        found = self._some_line(file)
        if found is None:
            return
        starts = [found[0]]
        for _ in range(self._source.randint(0, 4)):
            after = file.text.find("\n", starts[-1]) + 1
            if 0 < after < len(file.text) and file.text[after] != "\n":
                starts.append(after)
        self.desk.wait(900)
        back = all(file.text.startswith("    ", start) for start in starts) and self._source.random() < 0.5
        edits = [(file, start, 4 if back else 0, "" if back else "    ") for start in reversed(starts)]
        self.desk.joined(edits, Origin.TYPED)

    def _undo(self, _file: File) -> None:
        self.desk.wait(900)
        self.desk.take_back(self._source.randint(1, 6))

    def _ask_agent(self, file: File) -> None:
        """An agent writes a whole block at once."""
        if not self._waiting:
            return
        self.desk.wait(9_000, 0.5)
        self.desk.put(CommandRun("agent.apply"))
        self.desk.replace(file, len(file.text), 0, "\n\n" + self._waiting.pop(), Origin.AGENT)

    def _read(self, file: File) -> None:
        for _ in range(self._source.randint(1, 4)):
            self._look(file, self._source.randint(0, file.text.count("\n")))

    def _hunt(self, file: File) -> None:
        """Look for something in one file after the other, and go back; now and then by a search that is told."""
        if self._source.random() < 0.4:
            self.desk.wait(1_200)
            self.desk.put(CommandRun("workbench.action.findInFiles"))
        for _ in range(self._source.randint(3, 9)):
            module = make_module(self._source)
            path = f"src/{new_name(self._source)}/{module.name}.py"
            found = self.desk.open(path, "python", module.text, self._workspace)
            for _ in range(self._source.randint(1, 3)):
                self._look(found, self._source.randint(0, module.text.count("\n")))
                if self._source.random() < 0.5:
                    self.desk.select(found, 0, self._source.randrange(3, 12))
            self.desk.close(found)
        self._look(file, 0)

    # Small things

    def _look(self, file: File, line: int) -> None:
        self.desk.wait(2_200, 1.0)
        self.desk.put(ViewportChange(file.number, line, line + LINES_IN_VIEW))

    def _swap(self, file: File, place: int, old: str, new: str) -> None:
        """Put a word in the place of another: select and overtype, or delete it key by key."""
        desk = self.desk
        if self._source.random() < 0.6:
            desk.select(file, place, place + len(old))
            desk.wait(desk.person.key_ms)
            desk.replace(file, place, len(old), new[0])
            desk.type(file, new[1:])
        else:
            desk.go(file, place + len(old))
            if self._source.random() < 0.6:
                desk.wait(300)
                desk.replace(file, place, len(old), "")  # a whole word at once
            else:
                desk.erase_back(file, len(old))
            desk.type(file, new)

    def _format_and_save(self, file: File) -> None:
        places = [match.start() for match in re.finditer(r"[ ]+(?=\n)", file.text)][:5]
        edits = [(file, at, len(file.text[at:]) - len(file.text[at:].lstrip(" ")), "") for at in reversed(places)]
        self.desk.wait(400)
        self.desk.joined(edits, Origin.FORMATTER)
        self.desk.save(file)

    def _some_line(self, file: File) -> tuple[int, str] | None:
        lines = list(_PLAIN_LINE.finditer(file.text))
        if not lines:
            return None
        # Work is local: most often the next thing to change is near the last one.
        near = [match for match in lines if abs(match.start() - file.caret) < NEAR_CHARS]
        match = self._source.choice(near if near and self._source.random() < 0.85 else lines)
        return match.start(), match.group()

    def _line_start(self, file: File, prefix: str) -> int:
        starts = [match.start() for match in re.finditer(rf"^{prefix}", file.text, re.MULTILINE)]
        return self._source.choice(starts) if starts else len(file.text)

    def _repeated(self, file: File) -> str | None:
        uses = Counter(words_in(file.text))
        names = [name for name in names_in(file.text) if 2 <= uses[name] <= 12]
        return self._source.choice(names) if names else None


def _occurrences(text: str, word: str) -> list[int]:
    return [match.start() for match in re.finditer(rf"\b{re.escape(word)}\b", text)]
