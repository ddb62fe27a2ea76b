"""What no study may capture, whatever its scope says: the built-in deny rules.

They are matched without regard to case, on the path as opened and on the path it leads to. Studies and persons add to
them; nothing takes one away. A rule too many costs a file of training data, a rule too few a person's key.
"""

from __future__ import annotations

import re
from typing import Final

FOLDERS: Final = (
    # Version control's own files hold credentials (URLs, helpers) and other people's text.
    ".git/",
    ".hg/",
    ".svn/",
    ".jj/",
    # Settings of deployments, one file each.
    ".env/",
    ".envs/",
    ".secrets/",
    # Keys and the tools that keep them.
    ".ssh/",
    ".gnupg/",
    ".gpg/",
    ".aws/",
    ".azure/",
    ".gcloud/",
    ".config/gcloud/",
    ".config/gh/",
    ".config/hub/",
    ".config/op/",
    ".config/sops/",
    ".config/age/",
    ".config/rclone/",
    ".config/containers/",
    ".oci/",
    ".kube/",
    ".docker/",
    ".minikube/",
    ".vault/",
    ".terraform.d/",
    ".cargo/credentials*",
    ".password-store/",
    "keychains/",
    "keyrings/",
    ".pki/",
    ".cert/",
    ".certs/",
    # Password managers.
    ".1password/",
    ".config/1password/",
    ".config/bitwarden*/",
    ".config/keepass*/",
    "application support/1password*/",
    "application support/bitwarden*/",
    "application support/keepass*/",
    "appdata/*/1password/",
    "appdata/*/bitwarden*/",
    "appdata/*/keepass*/",
    # Browsers' and mail programs' profiles.
    ".mozilla/",
    ".thunderbird/",
    ".config/google-chrome*/",
    ".config/chromium/",
    ".config/bravesoftware/",
    ".config/microsoft-edge*/",
    "application support/google/chrome/",
    "application support/firefox/",
    "appdata/local/google/chrome/",
    "appdata/roaming/mozilla/",
    "appdata/*/microsoft/credentials/",
    "maildir/",
    ".maildir/",
    # The system's own files; password tools let an editor open their texts in /dev/shm.
    ".local/share/trash/",
    "/proc/",
    "/dev/",
    "/etc/shadow*",
    "/etc/gshadow*",
    "/etc/sudoers*",
    "/etc/ssl/private/",
)
"""Globs on the whole path; one that ends in a slash takes everything below it."""

FILES: Final = (
    ".env",
    ".env.*",
    ".env?",
    ".env-*",
    ".env_*",
    "*.env",
    ".envrc",
    ".direnvrc",
    # Keys and certificates.
    "*.pem",
    "*.key",
    "*.p8",
    "*.p12",
    "*.pfx",
    "*.pkcs12",
    "*.jks",
    "*.jceks",
    "*.keystore",
    "*.bks",
    "*.ppk",
    "*.der",
    "*.crt",
    "*.cer",
    "*.p7b",
    "*.asc",
    "*.gpg",
    "*.pgp",
    "*.age",
    "*.kdb",
    "*.kdbx",
    "*.agilekeychain",
    "*.opvault",
    "*.1pif",
    "*.1pux",
    "*.keychain",
    "*.keychain-db",
    "*.keyring",
    "*.mobileprovision",
    "*.ovpn",
    "*.tfvars",
    "*.tfvars.json",
    "*.tfstate",
    "*.tfstate.*",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "id_xmss*",
    "ssh_host_*",
    "authorized_keys*",
    "known_hosts*",
    # Credentials of tools.
    ".netrc",
    "_netrc",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".pypirc",
    ".pgpass",
    "pgpass.conf",
    ".my.cnf",
    ".mylogin.cnf",
    ".s3cfg",
    ".boto",
    ".htpasswd",
    ".dockercfg",
    ".dockerconfigjson",
    ".git-credentials",
    ".gitconfig",
    ".vault-token",
    ".vault_pass*",
    ".vault-pass*",
    ".terraformrc",
    "terraform.rc",
    ".databrickscfg",
    ".snowsql*",
    "credentials",
    "credentials.*",
    ".credentials",
    ".credentials.*",
    "client_secret*.json",
    "service-account*.json",
    "service_account*.json",
    "secrets.yml",
    "secrets.yaml",
    "secrets.json",
    "secrets.toml",
    "secrets.ini",
    "secrets.env",
    "secrets.properties",
    "master.key",
    "wp-config.php",
    "kubeconfig",
    "*.kubeconfig",
    "htpasswd",
    "shadow",
    "gshadow",
    # Histories: everything that was ever typed elsewhere.
    ".*_history",
    ".*history",
    "*_history",
    "fish_history",
    "consolehost_history.txt",
    ".lesshst",
    ".viminfo",
    ".wget-hsts",
    # Browser and mail data kept as single files.
    "cookies",
    "cookies.sqlite",
    "cookies.txt",
    "login data",
    "logins.json",
    "key3.db",
    "key4.db",
    "*.mbox",
    "*.eml",
    "*.pst",
    "*.ost",
    # Core dumps and swap files hold what other files held.
    "*.dmp",
    "*.swp",
    "*.swo",
    "*.har",
)
"""Globs on the file's name alone."""

FILES_WITHOUT_SUFFIX: Final = ("id_*",)
"""Globs on the names of files that have no suffix: ``id_work`` is a key, ``id_generator.py`` is code."""

_COPY = re.compile(
    r"^#(?P<auto>.+)#$|^(?P<name>.+?)"
    r"(?:~|\.~\d+~|[._-](?:bak|backup|bkp|copy|dist|new|old|orig|original|prev|rej|sav|save|saved|temp|tmp)\d*"
    r"|\.\d{1,14}|[ _-]*(?:- )?copy(?: ?\(?\d+\)?)?| ?\(\d+\))$",
    re.IGNORECASE | re.DOTALL,
)
"""How editors, tools and people name copies: ``key.pem~``, ``#.env#``, ``.env.bak``, ``id_rsa (1)``."""

MAX_COPIES = 4
"""Copies of copies that are seen through: ``.env.bak~``."""


def names_of(name: str) -> tuple[str, ...]:
    """Give a file's name and the names of what it may be a copy of, which is denied as the original is."""
    names = [name]
    for _ in range(MAX_COPIES):
        match = _COPY.match(names[-1])
        if match is None:
            break
        names.append(match["auto"] or match["name"])
    return tuple(names)
