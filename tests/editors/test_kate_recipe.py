"""Kate, set up with what `overt setup kate` prints, on a screen of its own, with a person's keys."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from event_model.events import CaptureStart, DocumentEdit, DocumentSave
from overt.setup.recipes import kate
from tests.editors.neovim_person import wait_for
from tests.editors.plugin_house import TOOLS
from tests.editors.test_vim_recipe import bodies_of, kept_of
from tests.lsp_collector.lsp_person import Participant

NEEDED = ("kate", "Xvfb", "xdotool", "dbus-run-session")

pytestmark = [
    pytest.mark.editor,
    pytest.mark.system,
    pytest.mark.xdist_group("system"),
    pytest.mark.skipif(
        "CI" not in os.environ and not all(map(shutil.which, NEEDED)),
        reason="apt-get install --no-install-recommends kate xvfb xdotool dbus-x11",
    ),
]

END_S = 10.0


@pytest.fixture
def screen() -> Iterator[str]:
    """A screen that nobody else writes to."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1200x800x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as said:
        number = said.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait(END_S)


class Hands:
    """The person's keys, on one screen."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def windows(self) -> list[str]:
        """Kate's windows: the first is the editor, another one asks something."""
        return self._run("search", "--onlyvisible", "--class", "kate").split()

    def press(self, window: str, *keys: str) -> None:
        """Press keys in a window."""
        self._run("windowfocus", window)
        self._run("key", "--delay", "80", *keys)

    def type(self, window: str, text: str) -> None:
        """Type a text into a window."""
        self._run("windowfocus", window)
        self._run("type", "--delay", "60", text)

    def _run(self, *arguments: str) -> str:
        ran = subprocess.run(
            ["xdotool", *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        return ran.stdout


def configure(folder: Path) -> None:
    """Do what the recipe says."""
    recipe = kate([f"{TOOLS}/overt", "lsp"])
    servers = recipe[recipe.index("{") : recipe.rindex("}") + 1]
    (folder / "kate" / "lspclient").mkdir(parents=True)
    (folder / "kate" / "lspclient" / "settings.json").write_text(servers, "utf-8")
    assert "IncrementalSync=true" in recipe
    (folder / "katerc").write_text(
        "[Kate Plugins]\nlspclientplugin=true\n\n[lspclient]\nIncrementalSync=true\n", "utf-8"
    )


def test_kate_captures_as_printed(tmp_path: Path, screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    work, runtime = tmp_path / "work", tmp_path / "run"
    work.mkdir()
    runtime.mkdir(mode=0o700)
    person = Participant(tmp_path / "home", work)
    person.join()
    file = work / "typed.py"
    file.write_text("one = 1\n", "utf-8")
    configure(tmp_path / "config")
    environment = {
        **os.environ, "OVERT_HOME": str(person.home), "OVERT_HOST": "own", "HOME": str(tmp_path), "DISPLAY": screen,
        "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_RUNTIME_DIR": str(runtime), "LC_ALL": "C.UTF-8",
        "QT_QPA_PLATFORM": "xcb",
    }  # fmt: skip
    hands = Hands(environment)
    command = ["dbus-run-session", "--", "kate", "-n", str(file)]
    with (
        (tmp_path / "said").open("wb") as said,
        subprocess.Popen(command, env=environment, stdout=said, stderr=said) as run,
    ):
        try:
            editor = wait_for("Kate's window", hands.windows)[0]

            def begun() -> bool:
                for other in set(hands.windows()) - {editor}:
                    hands.press(other, "Return")  # whether the server may be started: yes
                return "typed.py" in kept_of(person)

            wait_for("the document", begun)
            hands.press(editor, "ctrl+End")
            hands.type(editor, "two = 'typed in Kate'")
            hands.press(editor, "Return", "Return", "ctrl+z", "Left", "BackSpace")
            wait_for("the text", lambda: "typed in" in kept_of(person)["typed.py"])
            hands.press(editor, "ctrl+s")
            wait_for("the save", lambda: any(isinstance(each, DocumentSave) for each in bodies_of(person)))
            hands.press(editor, "ctrl+q")
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(END_S)
        finally:
            run.terminate()
    text = file.read_text("utf-8")
    assert "typed in" in text
    assert kept_of(person)["typed.py"] == text
    bodies = bodies_of(person)
    assert isinstance(bodies[0], CaptureStart)
    assert sum(isinstance(each, DocumentEdit) for each in bodies) > len("two = 'typed in Kate'"), (
        "one edit for each key"
    )
