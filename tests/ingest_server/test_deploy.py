"""The files for containers name flags, variables and addresses that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from ingest_server import openapi
from overt.commands.serve import serve

FOLDER = Path(__file__).parents[2] / "deploy"
FLAGS = {flag for option in serve.params if isinstance(option, click.Option) for flag in option.opts}
VARIABLES = {option.envvar for option in serve.params if isinstance(option.envvar, str)}


def dockerfile_commands() -> Iterator[list[str]]:
    for line in (FOLDER / "Dockerfile").read_text("utf-8").splitlines():
        name, _, rest = line.partition(" ")
        if name in ("ENTRYPOINT", "CMD"):
            yield json.loads(rest)


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / name).read_text("utf-8")))


def used_flags() -> Iterator[str]:
    (compose,) = documents("compose.yaml")
    pod = documents("kubernetes.yaml")[0]["spec"]["template"]["spec"]
    commands = [*dockerfile_commands(), compose["services"]["receiver"]["command"], pod["containers"][0]["args"]]
    return (part for command in commands for part in command if part.startswith("--"))


def test_every_flag_is_one_of_overt_serve() -> None:
    used = set(used_flags())
    assert {"--study", "--key", "--janitor", "--roles", "--data"} <= used
    assert used <= FLAGS


def test_every_variable_is_read_by_overt_serve() -> None:
    (compose,) = documents("compose.yaml")
    given = {name for name in compose["services"]["receiver"]["environment"] if name.startswith("OVERT_")}
    assert given == {"OVERT_DATABASE", "OVERT_BUCKET"}
    assert given <= VARIABLES


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "kubernetes.yaml"])
def test_every_address_is_served_and_what_was_not_tried_is_said(name: str) -> None:
    text = (FOLDER / name).read_text("utf-8")
    for path in re.findall(r"/(?:healthz|readyz|metrics)\b", text):
        assert path in openapi.document()["paths"]
    assert re.search(r"Written to the rule; no (container engine|engine|cluster) has run it yet", text)


def test_nothing_is_run_as_root() -> None:
    assert re.search(r"(?m)^USER 10001$", (FOLDER / "Dockerfile").read_text("utf-8"))
    pod = documents("kubernetes.yaml")[0]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
