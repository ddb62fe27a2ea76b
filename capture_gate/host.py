"""Whose machine this is: what is captured, and the keys to it, belong on the person's own."""

from __future__ import annotations

from collections.abc import Mapping

HOST_VARIABLE = "OVERT_HOST"
OWN = "own"
"""The value that says: I came here over the network, and this host is mine alone."""

_REMOTE = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "CODESPACES", "GITPOD_WORKSPACE_ID", "CLOUD_SHELL")
"""What sshd and workspaces in a cloud put into the environment. A container or WSL is on the person's own machine."""


def is_remote(environment: Mapping[str, str]) -> bool:
    """Say whether the person reached this host over a network, and did not say that it is theirs."""
    if environment.get(HOST_VARIABLE) == OWN:
        return False
    return any(environment.get(name) for name in _REMOTE)
