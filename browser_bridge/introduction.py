"""The native messaging manifests: which file tells which browser where the host is. Pure but for the last two."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import msgspec

from browser_bridge.gatekeeper import CHROMIUM_ID, FIREFOX_ID
from browser_bridge.papers import is_own

HOST_NAME = "org.overt.bridge"
DESCRIPTION = "overt: introduces the browser extension to the bridge on this machine"

_LINUX = {
    "chrome": (".config/google-chrome", "NativeMessagingHosts"),
    "chromium": (".config/chromium", "NativeMessagingHosts"),
    "edge": (".config/microsoft-edge", "NativeMessagingHosts"),
    "brave": (".config/BraveSoftware/Brave-Browser", "NativeMessagingHosts"),
    "firefox": (".mozilla", "native-messaging-hosts"),
}
_MACOS = {
    "chrome": ("Library/Application Support/Google/Chrome", "NativeMessagingHosts"),
    "chromium": ("Library/Application Support/Chromium", "NativeMessagingHosts"),
    "edge": ("Library/Application Support/Microsoft Edge", "NativeMessagingHosts"),
    "brave": ("Library/Application Support/BraveSoftware/Brave-Browser", "NativeMessagingHosts"),
    "firefox": ("Library/Application Support/Mozilla", "NativeMessagingHosts"),
}
_WINDOWS_KEYS = {
    "chrome": r"Software\Google\Chrome\NativeMessagingHosts",
    "chromium": r"Software\Chromium\NativeMessagingHosts",
    "edge": r"Software\Microsoft\Edge\NativeMessagingHosts",
    "brave": r"Software\BraveSoftware\Brave-Browser\NativeMessagingHosts",
    "firefox": r"Software\Mozilla\NativeMessagingHosts",
}
BROWSERS = tuple(_LINUX)
"""The browsers that can be introduced."""


class Introduction(msgspec.Struct, frozen=True):
    """What introducing one browser takes: files with their text; the launcher must be executable.

    ``registry_key`` is set on Windows, where the browser looks for the manifest's path under it (current user).
    """

    browser: str
    manifest_path: Path
    manifest: str
    launcher_path: Path
    launcher: str
    registry_key: str | None = None


def introduction(browser: str, *, home: Path, user_home: Path, python: str, platform: str) -> Introduction:
    """Say what introducing a browser takes. ``home`` is the installation's folder, ``platform`` as ``sys.platform``."""
    windows = platform == "win32"
    launcher = home / "bridge" / ("native-host.bat" if windows else "native-host")
    if windows:
        manifest = home / "bridge" / f"{HOST_NAME}.{browser}.json"
    else:
        profile, folder = (_MACOS if platform == "darwin" else _LINUX)[browser]
        manifest = user_home / profile / folder / f"{HOST_NAME}.json"
    return Introduction(
        browser=browser,
        manifest_path=manifest,
        manifest=_manifest(browser, launcher),
        launcher_path=launcher,
        launcher=_launcher(python, home, windows=windows),
        registry_key=rf"{_WINDOWS_KEYS[browser]}\{HOST_NAME}" if windows else None,
    )


def profile_folder(browser: str, *, user_home: Path, platform: str) -> Path | None:
    """Give the folder that a browser keeps in the user's home: that it is there says the browser is used."""
    folders = {"darwin": _MACOS, "win32": {}}.get(platform, _LINUX)
    return user_home / folders[browser][0] if browser in folders else None


def _manifest(browser: str, launcher: Path) -> str:
    callers = (
        {"allowed_extensions": [FIREFOX_ID]}
        if browser == "firefox"
        else {"allowed_origins": [f"chrome-extension://{CHROMIUM_ID}/"]}
    )
    base = {"name": HOST_NAME, "description": DESCRIPTION, "path": str(launcher), "type": "stdio"}
    return json.dumps(base | callers, indent=2) + "\n"


def _launcher(python: str, home: Path, *, windows: bool) -> str:
    if windows:
        return f'@echo off\r\nset "OVERT_HOME={home}"\r\n"{python}" -m overt bridge --native-host %*\r\n'
    return (
        "#!/bin/sh\n# Started by the browser; introduces overt's extension to the bridge on this machine.\n"
        f'OVERT_HOME={shlex.quote(str(home))} exec {shlex.quote(python)} -m overt bridge --native-host "$@"\n'
    )


def introduce(plan: Introduction) -> None:
    """Write what the plan says, in the place of what was there. OSError: if that can't be done."""
    plan.launcher_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan.manifest_path.parent.mkdir(parents=True, exist_ok=True)
    for path, text, mode in _files(plan):
        path.unlink(missing_ok=True)  # what is written goes into no link
        path.write_text(text, encoding="utf-8", newline="")
        path.chmod(mode)
    if plan.registry_key is not None and sys.platform == "win32":
        import winreg  # noqa: PLC0415 - there on Windows only

        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, plan.registry_key) as key:
            winreg.SetValueEx(key, "", 0, winreg.REG_SZ, str(plan.manifest_path))


def is_introduced(plan: Introduction) -> bool:
    """Say whether all is as the plan says, and nobody else could change it."""
    try:
        return all(_is(path, text, mode) for path, text, mode in _files(plan))
    except OSError:
        return False


def _files(plan: Introduction) -> tuple[tuple[Path, str, int], ...]:
    return (plan.launcher_path, plan.launcher, 0o700), (plan.manifest_path, plan.manifest, 0o600)


def _is(path: Path, text: str, mode: int) -> bool:
    info = path.lstat()
    has_mode = sys.platform == "win32" or info.st_mode & mode == mode
    return is_own(info) and has_mode and path.read_bytes() == text.encode()


def take_back(plan: Introduction) -> None:
    """Take the manifest away again; the launcher stays for other browsers. OSError: if that can't be done."""
    plan.manifest_path.unlink(missing_ok=True)
    if plan.registry_key is not None and sys.platform == "win32":
        import winreg  # noqa: PLC0415 - there on Windows only

        winreg.DeleteKey(winreg.HKEY_CURRENT_USER, plan.registry_key)
