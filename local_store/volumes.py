"""What kind of file system a folder lies on: a store needs locks and syncs that hold, which a network seldom gives."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

NETWORK_KINDS = frozenset({
    "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.cifs", "fuse.davfs", "fuse.gcsfuse", "fuse.glusterfs",
    "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs",
})  # fmt: skip
"""Linux's names. What a virtual machine shares with its host (9p, virtiofs) is not among them."""

_MOUNTS = Path("/proc/self/mountinfo")
_MOUNT_POINT = 4
"""Its place among a line's fields."""

_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
"""How spaces and the like are written in it."""


def network_kind(folder: Path) -> str | None:
    """Name the network file system that a folder lies on; ``None`` if it lies on none, or where that can't be told."""
    if sys.platform == "linux":
        try:
            table = _MOUNTS.read_bytes()
        except OSError:
            return None
        kind = kind_at(folder.resolve(), table)
        return kind if kind in NETWORK_KINDS else None
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - for this alone

        remote = 4  # DRIVE_REMOTE
        anchor = folder.resolve().anchor
        if anchor.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(anchor) == remote:
            return "network drive"
    return None


def kind_at(folder: Path, table: bytes) -> str | None:
    """Give the kind of file system mounted at a folder or nearest above it, from the kernel's table (proc(5))."""
    found: tuple[int, str] | None = None
    for line in table.splitlines():
        place, _, rest = line.partition(b" - ")
        fields, kinds = place.split(b" "), rest.split(b" ")
        if len(fields) <= _MOUNT_POINT:
            continue
        point = Path(os.fsdecode(_OCTAL.sub(lambda code: bytes([int(code[1], 8)]), fields[_MOUNT_POINT])))
        # The last one at a place hides those before.
        if folder.is_relative_to(point) and (found is None or len(point.parts) >= found[0]):
            found = len(point.parts), kinds[0].decode("ascii", "replace")
    return None if found is None else found[1]
