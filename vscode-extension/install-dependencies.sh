#!/usr/bin/env bash
# npm ci, unless node_modules already is what package-lock.json says.
set -euo pipefail
cd "$(dirname "$0")"
command -v npm > /dev/null || { echo "npm is missing: install Node 20 or newer" >&2; exit 1; }
stamp=node_modules/.lock-sum
sum=$(cksum < package-lock.json)
if [ "$(cat $stamp 2> /dev/null || true)" = "$sum" ]; then exit 0; fi
echo "npm ci in vscode-extension/"
# No package's install script is needed: esbuild's binary is a package of its own, vsce-sign is for publishing.
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
echo "$sum" > $stamp
