#!/usr/bin/env bash
# Builds prototxt-lsp.vsix beside this script: dependencies, types, bundle, the server's wheel, package.
# PYTHON builds the wheel (default: the repository's .venv, else python3); it needs pip.
set -euo pipefail
cd "$(dirname "$0")"
root=..
python=${PYTHON:-}
[ -n "$python" ] || { [ -x $root/.venv/bin/python ] && python=$root/.venv/bin/python || python=python3; }
step() { echo "vsix: $*"; }
begin=$SECONDS

./install-dependencies.sh
step "building the server's wheel, which \"Install Server\" installs"
rm -rf bundled && mkdir bundled
"$python" -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir bundled $root
step "checking types, bundling src/, packaging"
cp $root/LICENSE LICENSE
cp $root/docs/images/editor.png images/editor.png
# silent: what npm says around the scripts; what the scripts say stays.
npm_config_loglevel=silent npx --no-install vsce package --no-dependencies --out prototxt-lsp.vsix
step "vscode-extension/prototxt-lsp.vsix in $((SECONDS - begin)) s"
