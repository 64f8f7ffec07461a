#!/usr/bin/env bash
# run.sh [FILE.mjs...]: the editor tests (default: all *.test.mjs here), or one other script, in a real VS Code.
# Environment: E2E_REQUIRED=1 fails where it would skip; E2E_CACHE is where the editor is installed;
# E2E_PYTHON runs the server (default: the repository's .venv); E2E_SHOTS gets the pictures (e2e-output/).
# Exit: 0 passed, 77 skipped with the reason, else failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
begin=$SECONDS
say() { echo "e2e: $*"; }
skip() {
  say "SKIP: $*"
  [ "${E2E_REQUIRED:-0}" = 1 ] && exit 1
  exit 77
}

export E2E_PYTHON=${E2E_PYTHON:-$root/.venv/bin/python}
"$E2E_PYTHON" -c 'import prototxt_server, pygls' 2> /dev/null || skip "$E2E_PYTHON cannot import prototxt_server and pygls"
export E2E_INSTALL=${E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/prototxt-e2e}/vscode
say "looking for the editor in $E2E_INSTALL"
"$here/setup-editor.sh" "$E2E_INSTALL"
say "editor ready after $((SECONDS - begin)) s"
"$root/vscode-extension/package.sh"
export E2E_VSIX=$root/vscode-extension/prototxt-lsp.vsix E2E_EXTENSION=$root/vscode-extension
export E2E_SHOTS=${E2E_SHOTS:-$root/e2e-output}
mkdir -p "$E2E_SHOTS"

cd "$here"
[ $# -gt 0 ] || set -- *.test.mjs
say "driving the editor: $*"
node=$(cat "$E2E_INSTALL/node-path") # the system's may not know the options
case $1 in
  *.test.mjs)
    rm -f "$E2E_SHOTS"/*.png
    "$node" --test --test-concurrency=1 --test-reporter=spec "$@"
    ;;
  *) "$node" "$1" ;;
esac
say "done in $((SECONDS - begin)) s; pictures in $E2E_SHOTS"
