#!/bin/sh
# Installs Visual Studio Code's workbench (code-server, from npm, by its lock) under .editors/ for the tests that drive
# it. Prints the path of its server. Runs no package's scripts: nothing is compiled.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
lock=$root/tests/editors/code_server
home=$root/.editors/code-server
server=$home/node_modules/code-server/lib/vscode
if ! cmp -s "$lock/package-lock.json" "$home/installed.json"; then
    command -v npm >/dev/null || { echo "npm is missing (Node.js 20). On Debian: sudo apt-get install nodejs npm" >&2; exit 1; }
    rm -rf "$home"
    mkdir -p "$home"
    cp "$lock/package.json" "$lock/package-lock.json" "$lock/.npmrc" "$home/"
    (cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    # The workbench comes with a lock that lacks a package; ours is the same one, completed.
    cp "$lock/workbench-shrinkwrap.json" "$server/npm-shrinkwrap.json"
    (cd "$server" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    cp "$lock/package-lock.json" "$home/installed.json"
fi
echo "$server/out/server-main.js"
