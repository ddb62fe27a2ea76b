"""On a host reached over a network nothing is captured, unless the person says that it is theirs."""

from __future__ import annotations

import pytest

from capture_gate.host import is_remote


@pytest.mark.parametrize("name", ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "CODESPACES", "GITPOD_WORKSPACE_ID"])
def test_a_host_reached_over_a_network_is_remote(name: str) -> None:
    assert is_remote({name: "1"})
    assert not is_remote({name: "1", "OVERT_HOST": "own"})
    assert is_remote({name: "1", "OVERT_HOST": "shared"})


def test_a_person_at_their_own_machine_is_not() -> None:
    assert not is_remote({"HOME": "/home/ada", "WSL_DISTRO_NAME": "Debian", "container": "podman", "SSH_TTY": ""})
