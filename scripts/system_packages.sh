#!/bin/sh
# The tests drive a real editor, a real browser and a real database. Installs it where that is possible, else says what to install.
set -eu
missing=
command -v nvim >/dev/null || missing="$missing neovim"
command -v emacs >/dev/null || missing="$missing emacs-nox"
[ -d /usr/share/doc/elpa-package-lint ] || missing="$missing elpa-package-lint"
command -v kate >/dev/null || missing="$missing kate"
command -v dbus-run-session >/dev/null || missing="$missing dbus-x11"
command -v vim >/dev/null || missing="$missing vim"
[ -d /usr/share/vim-ale ] || missing="$missing vim-ale"
command -v git >/dev/null || missing="$missing git"
command -v chromium >/dev/null || missing="$missing chromium"
command -v firefox-esr >/dev/null || missing="$missing firefox-esr"
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
command -v Xvfb >/dev/null || missing="$missing xvfb"
command -v openbox >/dev/null || missing="$missing openbox"
command -v xdotool >/dev/null || missing="$missing xdotool"
command -v sshfs >/dev/null || missing="$missing sshfs"
[ -x /usr/lib/openssh/sftp-server ] || missing="$missing openssh-sftp-server"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing$missing ..."
    apt-get update -qq
    # shellcheck disable=SC2086 -- a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "The tests need:$missing. On Debian: sudo apt-get install$missing" >&2
    exit 1
fi
