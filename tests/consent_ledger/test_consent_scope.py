"""The scope: what is allowed, what is denied whatever is allowed, and that nothing slips past either."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_ledger.denies import FILES, FILES_WITHOUT_SUFFIX, FOLDERS
from consent_ledger.globs import GlobError, check_path_glob, check_remote_glob, normalise_remote, remote_matches
from consent_ledger.scope import DENIED_PATH, DENIED_SITE, IN_SCOPE, OUT_OF_SCOPE, Location, Narrowing, Scope, Site
from consent_ledger.study_parts import WorkspaceRule

HOME = PurePosixPath("/home/ada")
ROOT = HOME / "code" / "acme"
REMOTE = "git@github.com:acme/site.git"
BY_REMOTE = (WorkspaceRule(remote="github.com/acme/*"),)
BY_PATH = (WorkspaceRule(path="~/code/acme"),)


def at(
    path: str | PurePath,
    *,
    real: str | PurePath | None = None,
    root: PurePath | None = ROOT,
    remotes: Sequence[str] = (REMOTE,),
    real_root: PurePath | None = None,
) -> Location:
    path = ROOT / path if isinstance(path, str) else path
    real_path = path if real is None else ROOT / real if isinstance(real, str) else real
    return Location(path=path, real_path=real_path, root=root, remotes=tuple(remotes), real_root=real_root)


def code(rules: Sequence[WorkspaceRule], location: Location, *, deny: Sequence[str] = (), **narrowing: object) -> str:
    scope = Scope(rules, deny=deny, narrowing=Narrowing(**narrowing), home=HOME)  # type: ignore[arg-type]
    verdict = scope.decide(location)
    assert verdict.allowed == (verdict.code == IN_SCOPE)
    return verdict.code


# Allowing -------------------------------------------------------------------------------------------------------------


def test_file_of_an_allowed_remote_is_in_scope() -> None:
    verdict = Scope(BY_REMOTE).decide(at("src/a.py"))
    assert (verdict.allowed, verdict.code, verdict.rule) == (True, IN_SCOPE, "github.com/acme/*")


@pytest.mark.parametrize("remotes", [(), ("git@github.com:other/site.git",), ("/srv/git/github.com/acme/site",), ("",)])
def test_file_of_another_remote_is_out_of_scope(remotes: tuple[str, ...]) -> None:
    assert code(BY_REMOTE, at("src/a.py", remotes=remotes)) == OUT_OF_SCOPE


def test_remote_says_nothing_about_a_file_outside_the_workspace() -> None:
    assert code(BY_REMOTE, at(HOME / "notes.md")) == OUT_OF_SCOPE
    assert code(BY_REMOTE, at("src/a.py", root=None)) == OUT_OF_SCOPE


def test_neighbour_with_the_same_beginning_is_out_of_scope() -> None:
    neighbour = HOME / "code" / "acme-private" / "a.py"
    assert code(BY_REMOTE, at(neighbour)) == OUT_OF_SCOPE
    assert code(BY_PATH, at(neighbour, root=None)) == OUT_OF_SCOPE


def test_folder_rule_takes_what_lies_below_it() -> None:
    assert code(BY_PATH, at("deep/er/a.py", root=None, remotes=())) == IN_SCOPE
    assert code((WorkspaceRule(path="/home/*/code/acme"),), at("a.py", root=None)) == IN_SCOPE
    assert code((WorkspaceRule(path="**/acme"),), at("a.py", root=None)) == IN_SCOPE
    assert code((WorkspaceRule(path="/code/acme"),), at("a.py", root=None)) == OUT_OF_SCOPE


def test_folder_rule_is_read_with_case_on_posix() -> None:
    assert code((WorkspaceRule(path="~/code/ACME"),), at("a.py", root=None)) == OUT_OF_SCOPE


def test_home_rule_without_a_home_admits_nothing() -> None:
    assert not Scope(BY_PATH).decide(at("a.py")).allowed


def test_home_with_pattern_characters_stands_for_itself() -> None:
    home = PurePosixPath("/home/a[b]*")
    scope = Scope((WorkspaceRule(path="~/w"),), home=home)
    assert scope.decide(at(home / "w" / "x.py", root=None)).allowed
    assert not scope.decide(at(PurePosixPath("/home/ab/w/x.py"), root=None)).allowed


def test_rule_with_remote_and_path_needs_both() -> None:
    both = (WorkspaceRule(remote="github.com/acme/*", path="~/code"),)
    assert code(both, at("a.py")) == IN_SCOPE
    assert code(both, at("a.py", remotes=())) == OUT_OF_SCOPE
    elsewhere = PurePosixPath("/srv/acme")
    assert code(both, at(elsewhere / "a.py", root=elsewhere)) == OUT_OF_SCOPE


def test_worktree_lies_in_scope_by_its_own_root_and_remotes() -> None:
    worktree = HOME / "code" / "acme.worktrees" / "feature"
    assert code(BY_REMOTE, at(worktree / "a.py", root=worktree)) == IN_SCOPE
    assert code(BY_PATH, at(worktree / "a.py", root=worktree)) == OUT_OF_SCOPE
    inner = ROOT / ".worktrees" / "feature"
    assert code(BY_REMOTE, at(inner / "a.py", root=inner)) == IN_SCOPE
    assert code(BY_REMOTE, at(ROOT / ".git" / "worktrees" / "feature" / "HEAD")) == DENIED_PATH


def test_empty_rules_admit_nothing() -> None:
    assert not Scope.nothing().decide(at("a.py")).allowed
    assert code((WorkspaceRule(),), at("a.py")) == OUT_OF_SCOPE


@pytest.mark.parametrize("path", [PurePosixPath("a.py"), ROOT / ".." / "other" / "a.py", PurePosixPath("/")])
def test_path_that_cannot_be_judged_is_out_of_scope(path: PurePath) -> None:
    assert code((*BY_REMOTE, WorkspaceRule(path="/home")), at(path)) == OUT_OF_SCOPE
    assert code((*BY_REMOTE, WorkspaceRule(path="/home")), at("a.py", real=path)) == OUT_OF_SCOPE


# Symbolic links -------------------------------------------------------------------------------------------------------


def test_link_out_of_the_workspace_is_out_of_scope() -> None:
    location = at("notes.md", real=HOME / "private" / "notes.md")
    assert code(BY_REMOTE, location) == OUT_OF_SCOPE
    assert code(BY_PATH, location) == OUT_OF_SCOPE


def test_link_to_a_denied_file_is_denied() -> None:
    assert code(BY_REMOTE, at("settings.txt", real=".env")) == DENIED_PATH
    assert code(BY_REMOTE, at("settings.txt", real=HOME / ".ssh" / "config")) == DENIED_PATH
    assert code(BY_REMOTE, at(".env", real="settings.txt")) == DENIED_PATH


def test_link_into_the_workspace_counts_as_the_workspaces_file() -> None:
    assert code(BY_REMOTE, at(HOME / "link.py", real="src/a.py")) == IN_SCOPE
    assert code(BY_PATH, at(HOME / "link.py", real="src/a.py", root=None)) == OUT_OF_SCOPE


def test_workspace_reached_by_a_link_is_in_scope_as_it_is_named() -> None:
    real_root = PurePosixPath("/data/acme")
    location = at("a.py", real=real_root / "a.py", real_root=real_root)
    assert code(BY_PATH, location) == IN_SCOPE
    assert code(BY_REMOTE, location) == IN_SCOPE
    escaped = at("a.py", real=PurePosixPath("/data/other/a.py"), real_root=real_root)
    assert code(BY_PATH, escaped) == OUT_OF_SCOPE
    assert code(BY_REMOTE, escaped) == OUT_OF_SCOPE


def test_real_links_on_a_real_disk(tmp_path: Path) -> None:
    root, outside = tmp_path / "acme", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "diary.md").write_text("x")
    (root / "a.py").write_text("x")
    (root / "diary.md").symlink_to(outside / "diary.md")
    (root / "sub").symlink_to(outside)
    scope = Scope((WorkspaceRule(path=root.as_posix()),))
    verdicts = {
        name: scope.decide(
            Location(path=root / name, real_path=(root / name).resolve(), root=root, real_root=root.resolve())
        ).allowed
        for name in ("a.py", "diary.md", "sub/diary.md")
    }
    assert verdicts == {"a.py": True, "diary.md": False, "sub/diary.md": False}


# Denying --------------------------------------------------------------------------------------------------------------

SECRETS = """
.env .ENV .env.local .env.example prod.env .envrc server.pem SERVER.PEM tls.key x.p12 x.pfx store.jks id_rsa
id_ed25519.pub id_work ID_RSA .ssh/config .SSH/config .aws/credentials .aws/cli/cache/x .gnupg/pubring.kbx .netrc _netrc
.npmrc .pypirc credentials credentials.json .git/config .git/COMMIT_EDITMSG .hg/hgrc vault.kdbx passwords.kdb
.kube/config .docker/config.json .config/gh/hosts.yml .config/gcloud/x .bash_history .zsh_history .python_history
.psql_history .node_repl_history .git-credentials secrets.yaml Secrets.YAML terraform.tfvars x.tfstate
Library/Keychains/login.keychain-db .password-store/mail.gpg .mozilla/firefox/x/logins.json .pgpass .vault-token
service-account-prod.json wp-config.php authorized_keys known_hosts .local/share/keyrings/login.keyring
.config/google-chrome/Default/Cookies x.swp .a.py.swp
"""


@pytest.mark.parametrize("name", SECRETS.split())
def test_built_in_rules_deny_secrets_of_any_study(name: str) -> None:
    assert code(BY_REMOTE, at(name)) == DENIED_PATH
    assert code((WorkspaceRule(path="/home"),), at(HOME / name, root=None)) == DENIED_PATH
    assert code(BY_REMOTE, at("deep/er/" + name)) == DENIED_PATH


COPIES = [
    ".env~", "key.pem~", "key.pem.bak", "server.key.orig", ".env.bak~", "id_rsa.old", "id_rsa (1)", "id_work.bak",
    ".env2", ".envs/production", ".envs/.local/.django", "#.netrc#", ".npmrc.save", "secrets.yaml.orig", "x.tfvars.1",
    "x.p12 - Copy", "credentials copy 2", "key.pem.~3~", "key.pem.20240131", ".pgpass.BAK", "key.pem_old",
]  # fmt: skip


@pytest.mark.parametrize("name", COPIES)
def test_copies_of_what_is_denied_are_denied(name: str) -> None:
    assert code(BY_REMOTE, at(name)) == DENIED_PATH
    assert code(BY_REMOTE, at("deep/er/" + name)) == DENIED_PATH


@pytest.mark.parametrize(
    "name", ["main.py~", "a.py.orig", "notes (1).md", "v2", "copy", "backup.py", "~", "##", "page.1"]
)
def test_copies_of_code_are_left_alone(name: str) -> None:
    assert code(BY_REMOTE, at(name)) == IN_SCOPE


CODE = """
src/a.py environment.py env.py keys.py key.ts pem.go id_generator.py identity.rs credentials/handler.py src/git/x.c
history.md README.md settings.json .gitignore .github/workflows/ci.yml .vscode/settings.json docs/ssh.md Dockerfile
secrets.py tests/test_secrets.py cookies.py config.toml package.json
"""


@pytest.mark.parametrize("name", CODE.split())
def test_built_in_rules_leave_code_alone(name: str) -> None:
    assert code(BY_REMOTE, at(name)) == IN_SCOPE


def test_line_end_in_a_name_does_not_slip_past_a_rule() -> None:
    assert code(BY_REMOTE, at(".ssh/a\nb")) == DENIED_PATH
    assert code(BY_REMOTE, at("private/a\nb"), deny=["private/"]) == DENIED_PATH
    assert code(BY_REMOTE, at("a\n.pem")) == DENIED_PATH
    assert code(BY_REMOTE, at("new\nline/.ssh/config")) == DENIED_PATH
    assert code(BY_REMOTE, at("new\nline/private/a.py"), deny=["private/"]) == DENIED_PATH


def test_decomposed_letters_do_not_slip_past_a_rule() -> None:
    assert code(BY_REMOTE, at("prive\u0301/a.py"), deny=["priv\u00e9/"]) == DENIED_PATH


def test_windows_spellings_of_one_name_do_not_slip_past_a_rule() -> None:
    root = PureWindowsPath("C:/code/acme")
    for name in (".env.", ".env ", ".env::$DATA", ".ENV", "x/.Ssh./config", "server.pem:stream"):
        assert code(BY_REMOTE, at(root / name, root=root)) == DENIED_PATH
    rule = (WorkspaceRule(path="c:/CODE/acme"),)
    assert code(rule, at(root / "a.py", root=None)) == IN_SCOPE
    assert code(rule, at(PureWindowsPath("D:/code/acme/a.py"), root=None)) == OUT_OF_SCOPE


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("private/", "private/a.py"),
        ("private/", "deep/private/a.py"),
        ("Private/", "private/a.py"),
        ("docs/private", "docs/private/a.md"),
        ("docs/private", "deep/docs/private/a.md"),
        ("/docs", "docs/a.md"),
        ("/home/ada/code/acme/docs", "docs/a.md"),
        ("~/code/acme/docs", "docs/a.md"),
        ("*.sql", "db/x.SQL"),
        ("[!A-Z]x.py", "ax.py"),
        ("[!a-z]x.py", "Ax.py"),
    ],
)
def test_study_and_person_can_deny_more(glob: str, path: str) -> None:
    assert code(BY_REMOTE, at(path)) == IN_SCOPE
    assert code(BY_REMOTE, at(path), deny=[glob]) == DENIED_PATH
    assert code(BY_REMOTE, at(path), deny=()) == IN_SCOPE
    assert Scope(BY_REMOTE, narrowing=Narrowing(deny=(glob,)), home=HOME).decide(at(path)).code == DENIED_PATH


def test_negated_letters_in_a_rule_mean_what_they_say() -> None:
    rules = (WorkspaceRule(path="/home"),)
    assert code(rules, at(HOME / "ax.py", root=None), deny=["[!A-Z]x.py"]) == DENIED_PATH


def test_anchored_deny_holds_for_the_link_and_for_where_it_leads() -> None:
    assert code(BY_REMOTE, at("docs/a.md", real="other/a.md"), deny=["/docs"]) == DENIED_PATH
    assert code(BY_REMOTE, at("other/a.md", real="docs/a.md"), deny=["/docs"]) == DENIED_PATH


def test_home_deny_without_a_home_denies_that_path_anywhere() -> None:
    assert Scope(BY_REMOTE, deny=["~/docs"]).decide(at("docs/a.md")).code == DENIED_PATH


@pytest.mark.parametrize(
    "glob", ["!.env", "!*", "!", "#", "# x", "", " ", "a/../b", "x\ny", " x", "a" * 1001, "[z-a]", "[Z-a]"]
)
def test_pattern_that_could_take_a_rule_back_is_no_pattern(glob: str) -> None:
    with pytest.raises(GlobError):
        check_path_glob(glob)


@given(st.lists(st.text(alphabet="!#*/.[]~envsh\\ ", min_size=1, max_size=8), max_size=4))
def test_no_added_rule_takes_a_built_in_rule_back(globs: list[str]) -> None:
    usable = []
    for glob in globs:
        try:
            check_path_glob(glob)
        except GlobError:
            continue
        usable.append(glob)
    narrowing = Narrowing(deny=tuple(usable), workspaces=())
    for name in (".env", ".ssh/config", "server.pem"):
        assert Scope(BY_REMOTE, deny=usable, narrowing=narrowing, home=HOME).decide(at(name)).code == DENIED_PATH


def test_own_folders_are_denied() -> None:
    scope = Scope((WorkspaceRule(path="/home"),), forbidden=[HOME / "Overt"])
    assert scope.decide(at(HOME / "overt" / "keys" / "custody.txt", root=None)).code == DENIED_PATH
    assert scope.decide(at(HOME / "overtly" / "a.txt", root=None)).allowed


def test_every_built_in_rule_denies_something_and_is_written_folded() -> None:
    globs = (*FOLDERS, *FILES, *FILES_WITHOUT_SUFFIX)
    assert len(set(globs)) == len(globs)
    for glob in globs:
        check_path_glob(glob)
        sample = glob.strip("/").replace("*", "x") + ("/x.txt" if glob.endswith("/") else "")
        place = PurePosixPath("/") if glob.startswith("/") else HOME
        rules = (WorkspaceRule(path="/" + (place / sample).parts[1]),)
        assert code(rules, at(place / sample, root=None)) == DENIED_PATH, glob


# Narrowing ------------------------------------------------------------------------------------------------------------


def test_person_can_keep_capture_to_fewer_workspaces() -> None:
    keep = (WorkspaceRule(path="~/code/acme/site"),)
    assert code(BY_REMOTE, at("site/a.py"), workspaces=keep) == IN_SCOPE
    assert code(BY_REMOTE, at("other/a.py"), workspaces=keep) == OUT_OF_SCOPE


def test_person_cannot_widen_the_scope() -> None:
    keep = (WorkspaceRule(path="/home"),)
    assert code(BY_PATH, at(HOME / "private" / "a.py", root=None), workspaces=keep) == OUT_OF_SCOPE


PARTS = st.sampled_from(["src", ".env", "private", "a.py", ".ssh", "acme", "id_rsa", "x.pem", "site"])
GLOBS = st.sampled_from(["private/", "*.py", "src", "/src", "site/**", "**/acme", "[!a]*"])


@given(st.lists(PARTS, min_size=1, max_size=4), st.lists(GLOBS, max_size=3), st.lists(GLOBS, max_size=3))
def test_narrowing_never_admits_what_the_study_refuses(parts: list[str], deny: list[str], more: list[str]) -> None:
    location = at("/".join(parts))
    if code(BY_REMOTE, location, deny=deny) != IN_SCOPE:
        narrowed = Scope(BY_REMOTE, deny=deny, narrowing=Narrowing(deny=tuple(more)), home=HOME)
        assert not narrowed.decide(location).allowed


# Remotes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "remote",
    [
        "git@host.example:acme/site.git",
        "host.example:acme/site",
        "ssh://git@host.example/acme/site.git",
        "ssh://git@host.example:22/acme/site",
        "git+ssh://git@host.example/acme/site",
        "https://host.example/acme/site",
        "https://HOST.example:443/acme/site.git/",
        "https://user:token@host.example/acme/site.git",
        "http://host.example//acme/site",
        "git://host.example/acme/site.git",
        "host.example/acme/site",
        " https://host.example/acme/site ",
    ],
)
def test_spellings_of_one_remote_are_the_same(remote: str) -> None:
    assert normalise_remote(remote) == "host.example/acme/site"


@pytest.mark.parametrize(
    "remote",
    [
        "",
        "/srv/git/site.git",
        "../site",
        "./site",
        "~/site",
        "file:///srv/site",
        "C:\\git\\site",
        "C:/git/site",
        "site",
        "https://host",
        "https://[broken/acme",
        "https://host:port/a",
        "git@host:../../etc",
        "https://host/a/../../b",
    ],
)
def test_remote_that_names_no_host_matches_nothing(remote: str) -> None:
    assert normalise_remote(remote) == ""
    assert not remote_matches("**/x", remote)


def test_credentials_never_survive_in_a_remote() -> None:
    for remote in ("https://u:tok3n@h.example/a/b", "ssh://u:tok3n@h.example/a/b", "u:tok3n@h.example/a/b"):
        assert "tok3n" not in normalise_remote(remote)


def test_port_that_is_not_the_schemes_own_is_another_host() -> None:
    assert normalise_remote("ssh://git@host:2222/a/b") == "host:2222/a/b"
    assert not remote_matches("host/a/b", "ssh://git@host:2222/a/b")


@pytest.mark.parametrize(
    ("glob", "remote", "fits"),
    [
        ("github.com/acme/*", "github.com/acme/site", True),
        ("github.com/acme/*", "github.com/acme/sub/site", False),
        ("github.com/acme/**", "github.com/acme/sub/site", True),
        ("github.com/acme/**", "github.com/other/site", False),
        ("github.com/acme/*", "github.com/acme-evil/site", False),
        ("github.com/acme/*", "github.com.evil.example/acme/site", False),
        ("github.com/acme/*", "evil.example/github.com/acme/site", False),
        ("*.example/acme/*", "git.example/acme/site", True),
        ("https://github.com/acme/site.git", "git@GitHub.com:acme/site", True),
        ("github.com/acme/site", "github.com/acme/SITE", False),
        ("gitlab.example/**/docs", "gitlab.example/a/b/docs", True),
    ],
)
def test_remote_globs(glob: str, remote: str, *, fits: bool) -> None:
    check_remote_glob(glob)
    assert remote_matches(glob, remote) is fits


@given(st.text(max_size=60))
def test_any_text_as_remote_is_normalised_to_a_fixed_point(remote: str) -> None:
    once = normalise_remote(remote)
    assert once == "" or normalise_remote(once) in {once, ""}


@pytest.mark.parametrize(
    ("rule", "origin", "fits"),
    [
        ("https://a.example", "https://a.example", True),
        ("https://a.example", "https://a.example:443", True),
        ("https://a.example", "http://a.example", False),
        ("https://a.example", "https://a.example:8443", False),
        ("https://a.example", "https://b.a.example", False),
        ("https://a.example", "https://a.example.evil", False),
        ("https://a.example", "https://a.example@evil", False),
        ("https://*.a.example", "https://b.a.example", True),
        ("https://*.a.example", "https://c.b.a.example", True),
        ("https://*.a.example", "https://a.example", False),
        ("https://*.a.example", "https://xa.example", False),
        ("https://*.a.example", "https://.a.example", False),
        ("https://*.a.example:8443", "https://b.a.example:8443", True),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("http://127.0.0.1:8080", "http://localhost:8080", False),
        ("http://[::1]:8080", "http://[::1]:8080", True),
        ("https://a.example", "null", False),
        ("https://a.example", "https://*.example", False),
        ("https://a.example", "https://a.example:99999", False),
        ("https://a.example", "https://A.EXAMPLE", False),
    ],
)
def test_site_is_in_scope_by_its_exact_origin(rule: str, origin: str, fits: bool) -> None:
    verdict = Scope((), web_origins=[rule]).decide(Site(origin))
    assert verdict.allowed is fits
    assert verdict.code == (IN_SCOPE if fits else OUT_OF_SCOPE)


def test_site_that_the_person_took_out_is_denied() -> None:
    scope = Scope((), web_origins=["https://*.a.example"], narrowing=Narrowing(deny_origins=("https://hr.a.example",)))
    assert scope.decide(Site("https://hr.a.example")).code == DENIED_SITE
    assert scope.decide(Site("https://crm.a.example")).allowed
