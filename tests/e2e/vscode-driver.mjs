// Starts a real VS Code workbench (code-server) and a headless Chromium, and drives it with Playwright.
// Every launch has a fresh profile, workspace and HOME in one temporary folder. Linux only (/proc).
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

/** Polls f until it is truthy; the last exception is part of the timeout's message. */
export async function until(f, { timeout = 15000, every = 50, what = String(f) } = {}) {
  const end = Date.now() + timeout;
  for (let last; ;) {
    try { const v = await f(); if (v) return v; } catch (e) { last = e; }
    if (Date.now() > end) throw new Error(`timeout waiting for ${what}${last ? ': ' + last.message : ''}`);
    await sleep(every);
  }
}

/** First of E2E_BROWSER, chromium, chromium-browser, google-chrome that exists on PATH. */
export function findBrowser(env = process.env) {
  const names = [env.E2E_BROWSER, 'chromium', 'chromium-browser', 'google-chrome'].filter(Boolean);
  for (const n of names) for (const dir of n.includes('/') ? [''] : (env.PATH ?? '').split(':')) {
    const p = path.join(dir, n);
    if (fs.existsSync(p)) return p;
  }
}

/**
 * What the tests need, from the environment, or `missing`: a one-line reason to skip.
 *   E2E_INSTALL    folder made by setup-editor.sh
 *   E2E_VSIX       the packaged extension
 *   E2E_EXTENSION  folder whose node_modules holds playwright-core (default: current folder)
 *   E2E_PYTHON     interpreter with the server's dependencies (default: python3)
 *   E2E_BROWSER    Chromium (default: found on PATH);  E2E_SHOTS  folder for screenshots
 *   E2E_REQUIRED=1 throw instead of skipping
 */
export function environment({ vsix = true } = {}, env = process.env) {
  const out = { install: env.E2E_INSTALL, vsix: env.E2E_VSIX, python: env.E2E_PYTHON ?? 'python3', shots: env.E2E_SHOTS, extension: path.resolve(env.E2E_EXTENSION ?? '.'), browserPath: findBrowser(env) };
  const reason = (() => {
    if (process.platform !== 'linux') return 'the editor tests run on Linux only';
    if (!out.install) return 'E2E_INSTALL is not set (run setup-editor.sh)';
    if (!fs.existsSync(path.join(out.install, 'code-server-path'))) return 'no editor in E2E_INSTALL (run setup-editor.sh)';
    if (!out.browserPath) return 'no Chromium on PATH';
    if (vsix && !(out.vsix && fs.existsSync(out.vsix))) return 'E2E_VSIX names no packaged extension';
    try { out.playwright = createRequire(path.join(out.extension, 'package.json'))('playwright-core'); }
    catch { return 'playwright-core is not installed'; }
  })();
  if (reason && env.E2E_REQUIRED === '1') throw new Error(reason);
  return reason ? { ...out, missing: reason } : out;
}

const BROWSER_ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

// Quiet, deterministic editor. Each entry was needed or harmless on both 1.100 and 1.139.
const SETTINGS = {
  'workbench.startupEditor': 'none', 'workbench.reduceMotion': 'on', 'workbench.editor.useModal': 'off',
  'workbench.secondarySideBar.defaultVisibility': 'hidden', 'chat.disableAIFeatures': true,
  'telemetry.telemetryLevel': 'off', 'update.mode': 'none', 'git.enabled': false,
  'extensions.autoCheckUpdates': false, 'extensions.autoUpdate': false, 'extensions.ignoreRecommendations': true,
  'editor.minimap.enabled': false, 'editor.hover.delay': 100, 'editor.cursorBlinking': 'solid', 'editor.stickyScroll.enabled': false, 'editor.occurrencesHighlight': 'off',
  'files.autoSave': 'off',                                                          // the web build's default is afterDelay
};

const freePort = () => new Promise((res, rej) => {
  const s = net.createServer().on('error', rej).listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => res(port)); });
});

/** All descendants of a process. */
function descendants(pid) {
  const out = [];
  try {
    for (const t of fs.readdirSync(`/proc/${pid}/task`))
      for (const c of fs.readFileSync(`/proc/${pid}/task/${t}/children`, 'utf8').trim().split(/\s+/).filter(Boolean)) out.push(+c, ...descendants(+c));
  } catch { /* it ended meanwhile */ }
  return out;
}
/** Empty when it has ended. */
function commandLine(pid) {
  try { return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '); } catch { return ''; }
}
export const alive = (pid) => fs.existsSync(`/proc/${pid}`);
const plain = (s) => s.replaceAll('\u00a0', ' ');                                   // drawn text has no-break spaces

export class VSCode {
  /**
   * install (setup-editor.sh's target), playwright (module), browserPath; vsix: files to install;
   * files: {relative path: text} of the workspace; settings: user settings; machineSettings: settings of
   * scope machine or machine-overridable (1.139 ignores those in the user file); trust: 'off' or 'ask';
   * shots: screenshot folder; prepare(page, authority): called before the page loads, may return more
   * query parameters .
   */
  static async launch(opts) {
    const v = new VSCode();
    try { await v.#start(opts); return v; } catch (x) { await v.close(); throw x; }
  }

  async #start({ install, playwright, browserPath, vsix = [], files = {}, settings = {}, machineSettings = {}, env = {}, trust = 'off', shots, viewport = { width: 1280, height: 800 }, prepare }) {
    const from = (f) => fs.readFileSync(path.join(install, f), 'utf8').trim();
    const node = from('node-path'), root = this.root = from('code-server-path');
    const tmp = this.tmp = fs.mkdtempSync(path.join(os.tmpdir(), 'vscode-e2e-')), at = (...p) => path.join(tmp, ...p);
    this.workspace = at('nets'); this.shots = shots ?? at('shots');
    for (const d of [this.workspace, this.shots, at('t'), at('ud', 'User'), at('ud', 'Machine')]) fs.mkdirSync(d, { recursive: true });
    for (const [f, text] of Object.entries(files)) {
      const p = path.join(this.workspace, f);
      fs.mkdirSync(path.dirname(p), { recursive: true }); fs.writeFileSync(p, text);
    }
    const trustSetting = trust === 'off' ? { 'security.workspace.trust.enabled': false } : { 'security.workspace.trust.startupPrompt': 'always' };
    fs.writeFileSync(at('ud', 'User', 'settings.json'), JSON.stringify({ ...SETTINGS, ...trustSetting, ...settings }, null, 1));
    this.setMachine(machineSettings);

    const e = { ...process.env, HOME: tmp, XDG_CONFIG_HOME: at('cfg'), XDG_DATA_HOME: at('data'), XDG_CACHE_HOME: at('cache'), TMPDIR: at('t'), EXTENSIONS_GALLERY: '{"serviceUrl":""}', ...env };
    for (const k of Object.keys(e)) if (k.startsWith('VSCODE_')) delete e[k];       // of an editor that runs this test
    e.PATH = path.dirname(node) + ':' + e.PATH;
    const common = [path.join(root, 'out/node/entry.js'), '--user-data-dir', at('ud'), '--extensions-dir', at('ext')];
    for (const x of vsix) {
      const r = spawnSync(node, [...common, '--install-extension', path.resolve(x)], { env: e, encoding: 'utf8' });
      if (r.status !== 0) throw new Error(`install ${x}\n${r.stdout}${r.stderr}`);
    }
    const authority = `127.0.0.1:${await freePort()}`;
    this.url = `http://${authority}`;
    const args = ['--auth', 'none', '--bind-addr', authority, '--disable-telemetry', '--disable-update-check', '--disable-getting-started-override', ...(trust === 'off' ? ['--disable-workspace-trust'] : [])];
    this.server = spawn(node, [...common, ...args], { env: e, stdio: ['ignore', fs.openSync(at('server.log'), 'w'), fs.openSync(at('server.err'), 'w')] });
    await until(async () => (await fetch(this.url + '/healthz')).ok, { timeout: 30000, every: 100, what: 'code-server' });
    this.context = await playwright.chromium.launchPersistentContext(at('chrome'), { executablePath: browserPath, headless: true, viewport, args: BROWSER_ARGS });
    this.page = this.context.pages()[0]; this.page.setDefaultTimeout(20000);
    this.console = []; this.foreign = new Set();                                  // hosts asked other than our own
    this.page.on('console', (m) => this.console.push(`[${m.type()}] ${m.text()}`));
    this.page.on('request', (r) => { const u = new URL(r.url()); if (/^(https?|wss?):/.test(u.protocol) && u.hostname !== '127.0.0.1') this.foreign.add(u.hostname); });
    const more = await prepare?.(this.page, authority) ?? '';
    await this.page.goto(`${this.url}/?folder=${encodeURIComponent(this.workspace)}${more}`);
    await this.page.locator('.monaco-workbench .part.statusbar').waitFor({ timeout: 60000 });
    if (trust === 'off') await this.page.locator('.explorer-folders-view .monaco-list-row').first().waitFor();
  }

  /** Replaces the settings of scope machine or machine-overridable; a running window takes them over. */
  setMachine(settings) { fs.writeFileSync(path.join(this.tmp, 'ud/Machine/settings.json'), JSON.stringify(settings, null, 1)); }
  shot(name) { return this.page.screenshot({ path: path.join(this.shots, name + '.png') }); }
  read(rel) { return fs.readFileSync(path.join(this.workspace, rel), 'utf8'); }

  // ---- quick input: open, commands, go to line
  #input() { return this.page.locator('.quick-input-widget:visible input.input'); }
  async #quick(key, text, row) {
    // The key is lost while a menu is open or the workbench still loads: press again.
    await until(async () => { await this.page.keyboard.press(key); await this.#input().waitFor({ timeout: 1500 }); return true; }, { what: 'quick input' })
      .catch(async (e) => { await this.page.keyboard.press('Escape'); throw e; });
    await this.#input().fill(text);
    if (row) {
      // Enter takes the focused row: others may stand above the wanted one, always, or until the list is filtered.
      const labels = (which) => this.page.locator(`.quick-input-list .monaco-list-row${which} .label-name`).allInnerTexts();
      await until(async () => {
        if ((await labels('.focused')).some((label) => plain(label) === row)) return true;
        if ((await labels('')).some((label) => plain(label) === row)) await this.page.keyboard.press('ArrowDown');
        return false;
      }, { every: 100, what: `${row} in the quick input` });
    }
    await this.page.keyboard.press('Enter');
    await this.page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
  }
  async open(file) {
    const base = path.basename(file);
    await this.#quick('Control+P', file, base);
    await this.page.locator(`.tab.active[data-resource-name="${base}"]`).waitFor();
    await this.page.locator('.editor-instance .view-lines .view-line').first().waitFor();
  }
  /** title: "Category: Title" */
  async command(title) { await this.page.keyboard.press('Escape'); await this.#quick('F1', '>' + title, title); }
  goto(line, col = 1) { return this.#quick('Control+G', `:${line}:${col}`); }

  // ---- editor
  language() { return this.page.locator('[id="status.editor.mode"]').innerText(); }
  /** What the language status item says when it is pointed at. */
  async languageStatus() {
    await this.page.locator('[id="status.languageStatus"]').hover();
    const item = this.page.locator('.hover-language-status:visible');
    await item.first().waitFor();
    const text = (await item.allInnerTexts()).join('\n');
    await this.page.mouse.move(2, 2);
    await item.first().waitFor({ state: 'hidden' });
    return text;
  }
  /** Only the lines that are drawn. For exact text, save and read the file. */
  async text() { return plain((await this.page.locator('.editor-instance .view-lines .view-line').allInnerTexts()).join('\n')); }
  /** kind: error | warning | info | hint. One element per squiggle and line. */
  squiggles(kind = 'warning') { return this.page.locator(`.view-overlays .squiggly-${kind}, .cdr.squiggly-${kind}`); }
  /** The n-th token span that contains w. */
  word(w, n = 0) { return this.page.locator('.view-lines .view-line span span').filter({ hasText: w }).nth(n); }
  /** A point of the word. Not its middle, where Playwright points: the cursor may stand there and is no part of the word. */
  async #inside(w, n) {
    const { x, y, width, height } = await this.word(w, n).boundingBox({ timeout: 2000 });
    return [x + width / 4, y + height / 2];
  }
  async clickWord(w, n = 0) { await this.page.mouse.click(...await this.#inside(w, n)); }
  /** Text of the whole hover: marker rows first, then the server's hovers, parted by "---". Asks again while nothing comes. */
  hover(w, n = 0) {
    const rows = this.page.locator('.monaco-hover:visible .hover-row');
    return until(async () => {
      await this.page.mouse.move(2, 2);                                             // leave the word, or a second hover never fires
      await this.page.mouse.move(...await this.#inside(w, n));
      await rows.first().waitFor({ timeout: 2000 });
      await until(async () => !/Loading/.test(await rows.first().innerText({ timeout: 1000 })), { timeout: 5000, what: 'hover text' });
      return plain((await rows.allInnerTexts()).join('\n---\n'));
    }, { timeout: 20000, what: `a hover on ${w}` });
  }
  async save() { await this.page.keyboard.press('Control+S'); await this.page.locator('.tab.active.dirty').waitFor({ state: 'detached' }); }

  // ---- quick fixes, at the cursor
  lightbulb() { return this.page.locator('[class*="codicon-light-bulb"], [class*="codicon-lightbulb"], [class*="codicon-gutter-lightbulb"]').first(); }
  async quickFixes() {
    await this.page.keyboard.press('Control+.');
    const rows = this.page.locator('.action-widget:visible .monaco-list-row.action');
    await rows.first().waitFor();
    return (await rows.allInnerTexts()).map((t) => t.trim());
  }
  /** By keyboard: a mouse click on the entry timed out on 1.100. */
  async applyQuickFix(title) {
    const all = await this.quickFixes(), i = all.findIndex((t) => t.includes(title));
    if (i < 0) throw new Error(`no quick fix ${title} in ${JSON.stringify(all)}`);
    for (let k = 0; k < i; k++) await this.page.keyboard.press('ArrowDown');
    await this.page.keyboard.press('Enter');
    await this.quickFixClosed();
  }
  /** 1.139 keeps a second, hidden .action-widget: count the visible ones. */
  quickFixClosed() { return until(async () => await this.page.locator('.action-widget:visible').count() === 0, { what: 'quick fix menu closed' }); }

  // ---- panels
  /** One line of text per row: message, source(code), [Ln, Col]. */
  async problems() {
    const panel = this.page.locator('.markers-panel:visible');
    if (!await panel.count()) await this.command('Problems: Focus on Problems View');
    await panel.waitFor();
    return (await this.page.locator('.markers-panel .monaco-list-row').allInnerTexts()).map((t) => plain(t).replace(/\s+/g, ' '));
  }
  notifications() { return this.page.locator('.notifications-toasts .notification-list-item-message').allInnerTexts(); }

  // ---- below the surface
  /** Content of a log output channel, from its file (empty where spdlog was not built). */
  log(name) {
    const out = [], walk = (d) => {
      for (const f of fs.readdirSync(d, { withFileTypes: true })) {
        const p = path.join(d, f.name);
        if (f.isDirectory()) walk(p);
        else if (f.name.includes(name) && f.name.endsWith('.log')) out.push(fs.readFileSync(p, 'utf8'));
      }
    };
    walk(path.join(this.tmp, 'ud', 'logs'));
    return out.join('\n');
  }
  /** Ids of the editor's child processes whose command line contains `match`. */
  processes(match = '') {
    return descendants(this.server.pid).filter((p) => commandLine(p).includes(match));
  }

  /** Ends browser and editor; keep: leave the temporary folder for inspection. May be called twice. */
  async close({ keep = false } = {}) {
    const kids = this.server ? descendants(this.server.pid) : [];
    await this.context?.close().catch(() => {});
    if (this.server && this.server.exitCode === null && this.server.signalCode === null) {
      const gone = new Promise((r) => this.server.once('exit', r));
      this.server.kill('SIGTERM');
      await Promise.race([gone, sleep(5000)]);
      if (this.server.exitCode === null && this.server.signalCode === null) this.server.kill('SIGKILL');
    }
    // The extension host outlives its parent by five seconds. Of what runs in it nothing is ended here: a language
    // server must notice by itself.
    for (const p of kids.filter((kid) => commandLine(kid).includes(this.root))) try { process.kill(p, 'SIGTERM'); } catch { /* gone meanwhile */ }
    await until(() => !kids.some(alive), { timeout: 6000, what: 'children gone' }).catch(() => {});
    if (keep || !this.tmp) return;
    for (let i = 0; i < 5; i++) {                                                   // a late child may write once more
      fs.rmSync(this.tmp, { recursive: true, force: true, maxRetries: 5 });
      await sleep(300);
      if (!fs.existsSync(this.tmp)) break;
    }
  }
}
