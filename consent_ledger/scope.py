"""Where a study captures: a list of what is allowed, minus what is denied. Pure: no file is touched.

A site is in scope when the study names its origin and the person did not take it out.

A file is in scope when a workspace rule of the study admits it, when the person's own choice of workspaces admits it,
and when no deny rule (built in, the study's, the person's) matches the path as opened or the path it leads to.
Whatever can't be decided is out of scope.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import PurePath, PureWindowsPath

import msgspec

from consent_ledger.denies import FILES, FILES_WITHOUT_SUFFIX, FOLDERS, names_of
from consent_ledger.globs import Matcher, compile_globs, fold_text, path_text, remote_matches
from consent_ledger.study_parts import WorkspaceRule

OUT_OF_SCOPE = "out-of-scope"
DENIED_PATH = "denied-path"
DENIED_SITE = "denied-site"
IN_SCOPE = "in-scope"
_DEFAULT_PORTS = {"https": 443, "http": 80}


class Location(msgspec.Struct, frozen=True):
    """Where a file lies.

    ``path`` is absolute, as the editor opened it; ``real_path`` is where symbolic links lead. ``root`` is the workspace
    it belongs to (``None``: none), ``real_root`` where that leads (``None``: to itself), ``remotes`` its git remotes.
    """

    path: PurePath
    real_path: PurePath
    root: PurePath | None
    remotes: tuple[str, ...] = ()
    real_root: PurePath | None = None


class Site(msgspec.Struct, frozen=True):
    """A web origin (RFC 6454) as a browser writes it: ``https://host`` or ``https://host:port``, lower case."""

    origin: str


Place = Location | Site
"""Where something happens: in a file, or on a site."""


class ScopeVerdict(msgspec.Struct, frozen=True):
    """Whether a file is in scope; ``code`` is stable, ``rule`` is the glob that decided, if one did."""

    allowed: bool
    code: str
    rule: str = ""


class Narrowing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person takes out of a study's scope: denied paths, and workspaces to which capture is kept.

    Empty ``workspaces`` keep the study's. ``deny_origins`` are web origins, written as a study writes them. It stays
    on the device: paths tell about a person.
    """

    deny: tuple[str, ...] = ()
    workspaces: tuple[WorkspaceRule, ...] = ()
    deny_origins: tuple[str, ...] = ()


class Scope:
    """A study's scope as one person narrowed it.

    ``home`` is what ``~`` stands for (``None``: a rule with ``~`` admits nothing, and denies that path anywhere);
    ``forbidden`` are folders of overt's own, denied with everything in them.
    """

    def __init__(
        self,
        workspaces: Iterable[WorkspaceRule],
        *,
        deny: Iterable[str] = (),
        narrowing: Narrowing | None = None,
        home: PurePath | None = None,
        forbidden: Iterable[PurePath] = (),
        web_origins: Iterable[str] = (),
    ) -> None:
        narrowing = narrowing or Narrowing()
        self._origins = tuple(web_origins)
        self._deny_origins = narrowing.deny_origins
        self._home = home
        self._allow = tuple(workspaces)
        self._keep = narrowing.workspaces
        self._deny = _deny_matcher((*deny, *narrowing.deny), home)
        self._forbidden = tuple(forbidden)

    @classmethod
    def nothing(cls) -> Scope:
        """Make the scope that admits no file."""
        return cls(())

    def decide(self, place: Place) -> ScopeVerdict:
        """Say whether a file or site may be captured, and if not, why."""
        return self._decide_site(place) if isinstance(place, Site) else self._decide_file(place)

    def _decide_site(self, site: Site) -> ScopeVerdict:
        for rule in self._deny_origins:
            if origin_matches(rule, site.origin):
                return ScopeVerdict(allowed=False, code=DENIED_SITE, rule=rule)
        for rule in self._origins:
            if origin_matches(rule, site.origin):
                return ScopeVerdict(allowed=True, code=IN_SCOPE, rule=rule)
        return ScopeVerdict(allowed=False, code=OUT_OF_SCOPE)

    def _decide_file(self, location: Location) -> ScopeVerdict:
        folded, exact = _spellings(location, fold=True), _spellings(location, fold=False)
        if folded is None or exact is None:
            return ScopeVerdict(allowed=False, code=OUT_OF_SCOPE, rule="..")
        if (rule := self._denied(location, (*folded, *exact))) is not None:
            return ScopeVerdict(allowed=False, code=DENIED_PATH, rule=rule)
        admitted = self._admitted(self._allow, location)
        if admitted is None or (self._keep and self._admitted(self._keep, location) is None):
            return ScopeVerdict(allowed=False, code=OUT_OF_SCOPE)
        return ScopeVerdict(allowed=True, code=IN_SCOPE, rule=admitted)

    def _denied(self, location: Location, paths: tuple[str, ...]) -> str | None:
        for text in paths:
            if (rule := _built_in(text)) is not None or (rule := self._deny(text)) is not None:
                return rule
            for folder in self._forbidden:
                prefix = path_text(folder, fold=True)
                if prefix and (text == prefix or text.startswith(prefix + "/")):
                    return folder.as_posix()
        # A rule that is anchored with a slash is also read from the workspace's root, as .gitignore reads it.
        for text in _below_root(location):
            if (rule := self._deny(text)) is not None:
                return rule
        return None

    def _admitted(self, rules: Iterable[WorkspaceRule], location: Location) -> str | None:
        for rule in rules:
            if self._rule_admits(rule, location):
                return rule.remote or rule.path
        return None

    def _rule_admits(self, rule: WorkspaceRule, location: Location) -> bool:
        if rule.remote is None and rule.path is None:
            return False
        if rule.remote is not None and not (
            _inside(location) and any(remote_matches(rule.remote, remote) for remote in location.remotes)
        ):
            return False
        return rule.path is None or self._path_admits(rule.path, location)

    def _path_admits(self, glob: str, location: Location) -> bool:
        expanded = _expand(glob, self._home)
        fold = isinstance(location.path, PureWindowsPath)
        texts = _spellings(location, fold=fold)
        if expanded is None or texts is None:
            return False
        match = _matcher(expanded, fold=fold)
        if all(match(text) is not None for text in texts):
            return True
        # The workspace itself may be reached by a link: then its root must fit, and the file must truly lie in it.
        root = None if location.root is None else path_text(location.root, fold=fold)
        return root is not None and _inside(location) and match(root) is not None


def origin_matches(rule: str, origin: str) -> bool:
    """Say whether a rule (``https://host``, ``https://*.host:port``) names an origin: same scheme, port and host.

    ``*.`` stands for one or more labels before the host, never for the host itself. What is no origin matches nothing.
    """
    wanted, given = _origin_parts(rule), _origin_parts(origin)
    if wanted is None or given is None or "*" in origin or wanted[::2] != given[::2]:
        return False
    host = wanted[1]
    return given[1].endswith(host[1:]) and len(given[1]) >= len(host) if host.startswith("*.") else given[1] == host


def _origin_parts(text: str) -> tuple[str, str, int] | None:
    """Split an origin into scheme, host and port. None: if it is none."""
    scheme, separator, rest = text.partition("://")
    default = _DEFAULT_PORTS.get(scheme)
    if not separator or default is None or not rest or any(sign in rest for sign in "/?#@\\ ") or rest != rest.lower():
        return None
    host, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        return scheme, rest, default
    return (scheme, host, int(port)) if host and port.isascii() and port.isdecimal() and int(port) < 1 << 16 else None


def _inside(location: Location) -> bool:
    """Say whether a file lies in its workspace: as a link leads, not only as it is named."""
    if location.root is None:
        return False
    real_root = location.real_root or location.root
    return all(".." not in path.parts for path in (location.root, real_root)) and location.real_path.is_relative_to(
        real_root
    )


def _spellings(location: Location, *, fold: bool) -> tuple[str, ...] | None:
    """Write the path as opened and the path it leads to. None: if either can't be judged."""
    path, real_path = path_text(location.path, fold=fold), path_text(location.real_path, fold=fold)
    if not path or not real_path:
        return None
    return (path,) if path == real_path else (path, real_path)


def _below_root(location: Location) -> tuple[str, ...]:
    """Write both paths from the workspace's root on, where they lie below it; folded and as they are."""
    roots = [root for root in (location.root, location.real_root) if root is not None]
    below = {
        path.relative_to(root).as_posix()
        for path in (location.path, location.real_path)
        for root in roots
        if path.is_relative_to(root)
    }
    return tuple(sorted({fold_text(text, fold=fold) for text in below for fold in (True, False)}))


def _built_in(text: str) -> str | None:
    """Give the built-in rule that denies a folded path, or a copy of what it denies, or None."""
    folder = _folders()(text)
    if folder is not None:
        return folder
    return next(filter(None, map(_denied_name, names_of(text.rpartition("/")[2]))), None)


def _denied_name(name: str) -> str | None:
    suffixless = "." not in name.lstrip(".")
    return _files()(name) or (_files_without_suffix()(name) if suffixless else None)


@functools.cache
def _folders() -> Matcher:
    return compile_globs([_anywhere(glob) for glob in FOLDERS], fold=True)


@functools.cache
def _files() -> Matcher:
    return compile_globs(FILES, fold=True)


@functools.cache
def _files_without_suffix() -> Matcher:
    return compile_globs(FILES_WITHOUT_SUFFIX, fold=True)


@functools.lru_cache(maxsize=256)
def _matcher(glob: str, *, fold: bool) -> Matcher:
    return compile_globs((glob,), fold=fold)


def _deny_matcher(globs: tuple[str, ...], home: PurePath | None) -> Matcher:
    """Compile deny globs; each is tried as written and folded, because folding turns ``[!A-Z]`` around."""
    # Without a home, a rule below it denies that path anywhere: too much is the safe side.
    expanded = [_anywhere(_expand(glob, home) or glob.removeprefix("~").lstrip("/")) for glob in globs]
    folded, exact = compile_globs(expanded, fold=True), compile_globs(expanded, fold=False)
    return lambda text: folded(text) or exact(text)


def _expand(glob: str, home: PurePath | None) -> str | None:
    """Put the home folder in the place of a leading ``~/``. None: if there is none to put."""
    if not glob.startswith("~/"):
        return glob
    if home is None:
        return None
    return "/" + _escape(home.as_posix().strip("/")) + glob[1:]


def _escape(text: str) -> str:
    return "".join("\\" + character if character in "\\*?[]!# " else character for character in text)


def _anywhere(glob: str) -> str:
    """Let a glob with a slash inside match at any depth: a deny rule must not miss for want of an anchor."""
    if "/" in glob.rstrip("/") and not glob.startswith(("/", "**/")):
        return "**/" + glob
    return glob
