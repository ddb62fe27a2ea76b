"""Secrets known by their surroundings: addresses, headers, command lines, key blocks, signed tokens."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from privacy_filter.detectors.base import SECRET, Hit
from privacy_filter.detectors.standins import (
    is_made_of_words,
    is_stand_in,
    is_stand_in_login,
    is_stand_in_password,
    unquoted,
)
from privacy_filter.detectors.values import looks_random
from privacy_filter.detectors.window import Window, compile_pattern

BEHIND = 64
"""How far before a marker its pattern may begin."""

AHEAD = 2_048
"""How far after it the pattern may reach; key blocks reach further."""

BLOCK_AHEAD = 16_384
"""The largest private keys in use have some 13 kB."""


MIN_PASSWORD_ALNUM = 3
"""Fewer letters and digits show how signs are written in an address."""

_EXAMPLE_HOST = re.compile(r"@(?:[\w\-]+|127\.[\d.]+|(?:[\w.\-]+\.)?(?:example(?:\.[a-z]+)?|test|local))(?:[:/]|\Z)")
"""A machine's name without a domain, this machine, and the domains that are kept for examples (RFC 2606)."""

_KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{12}")


def _is_stand_in(value: str) -> bool:
    return is_stand_in_password(value, whole_file=False)


def _is_begun_password(value: str) -> bool:
    """Say whether what stands where a port or a password would, and has no end yet, is a password."""
    return any(map(str.isalpha, value)) and not value.isupper() and not _is_stand_in(value)


def _is_bearer(value: str) -> bool:
    return looks_random(value) and not is_stand_in(value)


def _is_key_block(value: str) -> bool:
    """Say whether there is a key after the header, not only talk of one."""
    return _KEY_LINE.search(value, value.find("KEY")) is not None


def _is_encoded_key_block(value: str) -> bool:
    """Say whether the header of a key block in base64 is that of a private key, as far as it is written."""
    head = re.sub(r"[^A-Za-z0-9+/]", "", value[:96])
    text = base64.b64decode(head[: len(head) // 4 * 4]).decode("latin-1")
    return "PRIVATE" in text or text[len("-----BEGIN ") :] in {
        "",
        "R",
        "RS",
        "E",
        "EN",
        "O",
        "OP",
        "D",
        "DS",
        "P",
        "PR",
    }


def _holds_key(value: str, _whole: str) -> bool:
    """Say whether a key block in base64 has a key in it, as far as it can be read."""
    body = re.sub(r"\\n|[^A-Za-z0-9+/]", "", value)
    return _is_key_block(base64.b64decode(body[: len(body) // 4 * 4]).decode("latin-1"))


def _is_own_password(value: str, whole: str) -> bool:
    """Say whether a password in an address, in a file, is more than an example's words or signs in percent."""
    value = unquoted(value)
    if sum(map(str.isalnum, value)) < MIN_PASSWORD_ALNUM:
        return False
    return not is_made_of_words(value) or _EXAMPLE_HOST.search(whole) is None


def _is_own_login(value: str, _whole: str) -> bool:
    return not is_made_of_words(unquoted(value.partition(":")[2]))


def _is_basic(value: str) -> bool:
    """Say whether a value is user and password in base64 (RFC 7617)."""
    value = value.rstrip("=")
    try:
        return b":" in base64.b64decode(value[: len(value) // 4 * 4], validate=True)
    except ValueError:
        return False


class _Form:
    """A marker that is looked for first, the pattern around it, and what is then masked.

    ``group`` of the pattern is masked; ``core`` is the group of the secret itself, where that is less. A ``begun``
    form is one whose end is not written yet: it is looked for only where somebody is writing. ``filed`` is asked
    besides, with all that the form covers, where the text is that of a file: those are full of examples.
    """

    __slots__ = (
        "_pattern",
        "_source",
        "accepts",
        "ahead",
        "begun",
        "behind",
        "core",
        "filed",
        "group",
        "guessable",
        "kind",
        "marker",
    )

    def __init__(
        self,
        kind: str,
        marker: str,
        pattern: bytes,
        *,
        group: int = 0,
        core: int | None = None,
        accepts: Callable[[str], bool] = lambda value: not _is_stand_in(value),
        guessable: bool = False,
        ahead: int = AHEAD,
        behind: int = BEHIND,
        begun: bool = False,
        filed: Callable[[str, str], bool] | None = None,
    ) -> None:
        self.kind = kind
        self.marker = marker
        self.group = group
        self.core = core
        self.accepts = accepts
        self.guessable = guessable
        self.ahead = ahead
        self.behind = behind
        self.begun = begun
        self.filed = filed
        self._source = pattern
        self._pattern: Any = None

    def find(self, window: Window, hits: list[Hit]) -> None:
        """Add what this form finds; ``window.low`` is searched for the marker at the speed of ``str.find``."""
        at = window.low.find(self.marker)
        end = 0
        while at >= 0:
            if at >= end:
                hit = self._around(window, at, end)
                if hit is not None:
                    hits.append(hit)
                    end = hit.end
            at = window.low.find(self.marker, at + 1)

    def _around(self, window: Window, at: int, done: int) -> Hit | None:
        if self._pattern is None:
            self._pattern = compile_pattern(self._source)
        base = max(at - self.behind, done)
        found = self._pattern.finditer(window.raw[base : at + self.ahead])
        match = next((match for match in found if match.end() + base > at), None)
        if match is None:
            return None
        inner = match.span(self.group)
        if inner[0] == inner[1]:
            return None
        value = window.text[base + inner[0] : base + inner[1]]
        core: tuple[int, int] | None = None
        if self.core is not None:
            core = (base + match.start(self.core), base + match.end(self.core))
            value = window.text[core[0] : core[1]]
        if not self.accepts(value) or (
            window.whole_file and self.filed is not None and not self.filed(value, match.group().decode("latin-1"))
        ):
            return None
        start, end = base + inner[0], base + inner[1]
        return Hit(start, end, SECRET, self.kind, guessable=self.guessable, core=core)


_HOST = rb"""[^\s"'`<>,;)\]}/?#@]{1,255}"""
_FORMS = (
    _Form(
        "private-key",
        "-----begin",
        rb"""-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:"""
        rb"""[\s\\rntu0-9A-Za-z+/=:,."'|\-\xff]*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"""
        rb"""|(?:(?:\\n|\\r|[\s"'+])*[A-Za-z0-9+/=]{4,80})*(?:[\s"'+\\nr]*-{1,5}[A-Z0-9 ]{0,40}-{0,5})?)""",
        ahead=BLOCK_AHEAD,
        behind=0,
        accepts=_is_key_block,
    ),
    _Form(
        "private-key",
        "ls0tls1crudjti",
        rb"""LS0tLS1CRUdJTi[A-Za-z0-9+/=\n\\]{20,}""",
        ahead=BLOCK_AHEAD,
        behind=0,
        accepts=_is_encoded_key_block,
        filed=_holds_key,
    ),
    _Form("jwt", "eyj", rb"""\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{6,}){1,4}""", ahead=8_192, behind=1),
    _Form("jwt", "zxlk", rb"""\bZXlK[A-Za-z0-9+/=_-]{40,}""", ahead=8_192, behind=1),
    _Form(
        "url-credential",
        "://",
        # Of the address of a database the rest is no less private than the host: its name, its options.
        rb"""(?:[a-z]*sql[a-z0-9+]*|postgres[a-z0-9+]*|mongodb[a-z+]*|rediss?|amqps?|oracle[a-z0-9+]*)://"""
        rb"""[^\s"'`<>/:@]{0,128}:([^\s"'`<>/]{1,256})@""" + _HOST + rb"""(?:/[^\s"'`<>]{0,512})?""",
        guessable=True,
        core=1,
        behind=32,
        filed=_is_own_password,
    ),
    _Form(
        "url-credential",
        "://",
        rb"""[A-Za-z][A-Za-z0-9+.\-]{1,30}://[^\s"'`<>/:@]{0,128}:([^\s"'`<>/]{1,256})@""" + _HOST,
        guessable=True,
        core=1,
        behind=32,
        filed=_is_own_password,
    ),
    _Form(
        "url-credential",
        "://",
        rb"""([A-Za-z][A-Za-z0-9+.\-]{1,30}://[^\s"'`<>/:@]{0,128}:([^\s"'`<>/@:?#]{8,256}))(?:[\s"'`]|$)""",
        group=1,
        core=2,
        guessable=True,
        accepts=_is_begun_password,
        behind=32,
        begun=True,
    ),
    _Form(
        "password",
        "convertto-securestring",
        rb"""(?i)ConvertTo-SecureString +["']([^"'\s]{8,64})(?:\s|$)""",
        group=1,
        guessable=True,
        behind=0,
        begun=True,
    ),
    _Form(
        "password",
        ".login(",
        rb"""\.login\([^,\n]{1,80}, *["']([^"'\s]{8,64})(?:\s|$)""",
        group=1,
        guessable=True,
        behind=0,
        begun=True,
    ),
    _Form(
        "url-credential",
        "jdbc:",
        rb"""jdbc:[^\s"'`<>]{4,256}[?&;](?:password|pwd|pass)=([^\s"'`<>&;]{2,128})""",
        guessable=True,
        core=1,
        behind=0,
    ),
    *(
        _Form(
            "connection-string",
            marker,
            # A user's name that goes with a password is a part of the credential.
            rb"""(?i)\b(?:user id|uid|user ?name)[ ]?=[ ]?([^\s"'`;&]{2,64})[ ]?;[^\n]{0,200}?(?:password|pwd)[ ]?=""",
            group=1,
            guessable=True,
            behind=0,
            ahead=400,
        )
        for marker in ("user id", "uid", "username", "user name")
    ),
    *(
        _Form(
            "connection-string",
            marker,
            rb"""(?i)\b(?:provider|server|data source|host|driver|database|initial catalog)[ ]?=[^\n]{0,200}?;[ ]?"""
            rb"""(?:user id|uid)[ ]?=[ ]?([^\s"'`;&]{4,64})""",
            group=1,
            guessable=True,
            behind=240,
            begun=True,
        )
        for marker in ("user id", "uid")
    ),
    _Form("encrypted-secret", "{aqaaabaaa", rb"""\{AQAAABAAA[A-Za-z0-9+/=. \-]{8,}\}?""", behind=0, accepts=bool),
    _Form(
        "netrc-entry",
        "machine ",
        rb"""\bmachine\s+\S+\s+login\s+\S+\s+password\s+(\S{4,128})""",
        core=1,
        guessable=True,
        behind=0,
        ahead=512,
    ),
    _Form(
        "netrc-entry",
        "machine ",
        rb"""(?m)^[ \t]*machine[ \t]+([\w\-]+(?:\.[\w\-]*)+)[ \t]*$""",
        behind=64,
        ahead=256,
        begun=True,
        accepts=bool,
    ),
    _Form(
        "npm-auth",
        ":_auth",
        rb"""//[^\s/:]{1,128}(?:/[^\s:]{0,128})?/:_(?:authToken|auth|password)[ ]?=[ ]?["']?([^\s"'$]{8,1000})""",
        core=1,
        behind=256,
    ),
    _Form("salesforce-session", "00d", rb"""\b00D[A-Za-z0-9]{9,15}![A-Za-z0-9._]{40,}""", behind=1),
    _Form(
        "authorization",
        "basic ",
        rb"""(?i)\bbasic +([A-Za-z0-9+/]{8,}={0,2})""",
        group=1,
        behind=1,
        accepts=_is_basic,
        filed=lambda value, _whole: not is_stand_in_login(value),
    ),
    _Form(
        "authorization",
        "bearer ",
        rb"""(?i)\bbearer +([A-Za-z0-9_.~+/=:\-]{12,})""",
        group=1,
        behind=1,
        accepts=_is_bearer,
    ),
    _Form(
        "cli-credential",
        "curl",
        rb"""(?:^|\s)(?:-u|--user|--proxy-user|-U)[ =]?["']?([^\s"':]{1,64}:["']?[^\s"']{3,128})""",
        group=1,
        guessable=True,
        behind=0,
        ahead=512,
        filed=_is_own_login,
    ),
    _Form("password", ":5432:", rb"""\b[A-Za-z0-9.*\-]+:5432:[^:\s]+:[^:\s]+:(\S{4,64})""", group=1, guessable=True),
    _Form("password", "sshpass", rb"""sshpass +-p *["']?([^\s"']{4,64})""", group=1, guessable=True, behind=0),
    _Form(
        "password",
        "mysql",
        rb"""mysql(?:dump|admin)?\b[^\n|;]{0,80}? -p([^\s"'|;]{4,64})""",
        group=1,
        guessable=True,
        behind=0,
    ),
    _Form("password", "7z ", rb"""7z [a-z]\b[^\n]{0,80}? -p([^\s"']{4,64})""", group=1, guessable=True, behind=0),
    _Form(
        "password",
        "htpasswd",
        rb"""htpasswd +(?:-[a-zA-Z]+ +)*-[a-zA-Z]*b[a-zA-Z]* +(?:-[a-zA-Z]+ +)*\S+ +\S+ +([^\s"']{4,64})""",
        group=1,
        guessable=True,
        behind=0,
    ),
    _Form("password", "net use", rb"""net use \S+ \S+ /user:\S+ +([^\s"']{4,64})""", group=1, guessable=True, behind=0),
    _Form("password", "sudo -s", rb"""echo +["']?([^\s"']{4,64})["']? *\| *sudo -S""", group=1, guessable=True),
    _Form(
        "password",
        "-asplaintext",
        rb"""ConvertTo-SecureString +["']([^"'\n]{4,64})["'] +-""",
        group=1,
        guessable=True,
        behind=120,
    ),
    _Form("password", ".login(", rb"""\.login\([^,\n]{1,80}, *["']([^"'\n]{4,64})["']""", group=1, guessable=True),
    _Form("telegram-token", ":aa", rb"""\b[0-9]{8,10}:AA[A-Za-z0-9_-]{32,36}""", behind=12),
    _Form("telegram-token", ":aa", rb"""\b[0-9]{8,10}:AA[A-Za-z0-9_-]{8,36}""", behind=12, begun=True),
    _Form("maxmind-key", "_mmk", rb"""\b[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk\b""", behind=40),
)


class CredentialLayer:
    """All forms; each costs one search for its marker where the marker does not occur."""

    def find(self, window: Window, hits: list[Hit]) -> None:
        """Add the credentials in a window."""
        for form in _FORMS:
            if form.marker in window.low and not (form.begun and window.whole_file):
                form.find(window, hits)
