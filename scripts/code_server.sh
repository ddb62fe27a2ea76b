#!/bin/sh
# Installs Visual Studio Code's workbench (code-server, from npm, by its lock) under .editors/ for the tests that drive
# it. Prints the path of its server. Runs no package's scripts: nothing is compiled.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
lock=$root/tests/editors/code_server
home=$root/.editors/code-server
server=$home/node_modules/code-server/lib/vscode

clean_install() { # of the folder's lock; npm now and then loses a race with itself, a second go meets a warm cache
    for last in "" "" yes; do
        npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2 && return
        [ -z "$last" ] || return 1
        rm -rf node_modules
    done
}

mkdir -p "$root/.editors"
exec 9>"$root/.editors/code-server.lock"
flock 9 # tests in other processes may want it as well
if ! cmp -s "$lock/package-lock.json" "$home/installed.json"; then
    command -v npm >/dev/null || { echo "npm is missing (Node.js 20). On Debian: sudo apt-get install nodejs npm" >&2; exit 1; }
    rm -rf "$home"
    mkdir -p "$home"
    cp "$lock/package.json" "$lock/package-lock.json" "$lock/.npmrc" "$home/"
    (cd "$home" && clean_install)
    # The workbench comes with a lock that lacks a package; ours is the same one, completed.
    cp "$lock/workbench-shrinkwrap.json" "$server/npm-shrinkwrap.json"
    (cd "$server" && clean_install)
    cp "$lock/package-lock.json" "$home/installed.json"
fi
echo "$server/out/server-main.js"
