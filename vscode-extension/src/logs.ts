/** "Analyse Caffe Log for This Net": a log and a net are brought together, the first bad line is shown. */
import * as path from 'node:path';
import { commands, languages, Position, Range, type TextDocument, TextEditorRevealType, Uri, ViewColumn, window, workspace } from 'vscode';
import type { Server } from './client';
import { type LogSummary, logMessage } from './logSummary';
import { LANGUAGE, LOG_LANGUAGE, SERVER_ANALYSE_LOG, SHOW_LOG } from './names';

/** So many files are offered at most; more are found by typing a path into the dialog. */
const OFFERED = 200;

/** Started from a net it asks for the log, started from a log it asks for the net. */
export async function analyseLog(server: Server, resource: Uri | undefined): Promise<void> {
  const active = window.activeTextEditor?.document;
  const document = resource instanceof Uri ? workspace.textDocuments.find((one) => one.uri.toString() === resource.toString()) : active;
  const language = document?.languageId;
  if (!document || (language !== LANGUAGE && language !== LOG_LANGUAGE)) {
    void window.showWarningMessage('Open a net or a Caffe training log first.');
    return;
  }
  const other = language === LANGUAGE ? await pick(document, '**/*.{log,caffelog,txt}', 'The training log of this net') : await pick(document, '**/*.prototxt', 'The net that this log is of');
  if (!other) return;
  const [net, log] = language === LANGUAGE ? [document.uri, other] : [other, document.uri];
  try {
    const opened = await open(log);
    const summary = (await server.execute(SERVER_ANALYSE_LOG, log.toString(), net.toString())) as LogSummary;
    if (opened) await reveal(opened, summary);
    void window.showInformationMessage(logMessage(summary));
  } catch (error) {
    const pressed = await window.showErrorMessage(`Caffe log: ${error instanceof Error ? error.message : error}`, 'Show Log');
    if (pressed) await commands.executeCommand(SHOW_LOG);
  }
}

/** A file of the workspace, those of the document's own folder first, or one from the dialog. */
async function pick(document: TextDocument, pattern: string, placeHolder: string): Promise<Uri | undefined> {
  const folder = path.dirname(document.uri.fsPath);
  const found = (await workspace.findFiles(pattern, '**/node_modules/**', OFFERED)).filter((uri) => uri.toString() !== document.uri.toString());
  const near = (uri: Uri) => (path.dirname(uri.fsPath) === folder ? 0 : 1);
  found.sort((a, b) => near(a) - near(b) || a.fsPath.localeCompare(b.fsPath));
  const browse = { label: '$(folder-opened) Browse…', uri: undefined };
  const items = [...found.map((uri) => ({ label: path.basename(uri.fsPath), description: workspace.asRelativePath(path.dirname(uri.fsPath)), uri })), browse];
  const chosen = await window.showQuickPick(items, { placeHolder, matchOnDescription: true });
  if (!chosen) return undefined;
  if (chosen.uri) return chosen.uri;
  return (await window.showOpenDialog({ title: placeHolder, defaultUri: Uri.file(folder) }))?.[0];
}

/** The log as a document that the server knows; undefined when it is too large for the editor: the server reads it then. */
async function open(log: Uri): Promise<TextDocument | undefined> {
  try {
    const document = await workspace.openTextDocument(log);
    return document.languageId === LOG_LANGUAGE ? document : await languages.setTextDocumentLanguage(document, LOG_LANGUAGE);
  } catch {
    return undefined;
  }
}

async function reveal(document: TextDocument, summary: LogSummary): Promise<void> {
  const row = summary.findings[0]?.row ?? 1;
  const at = new Position(Math.min(row, document.lineCount) - 1, 0);
  const shown = window.visibleTextEditors.find((editor) => editor.document === document);
  const editor = await window.showTextDocument(document, { viewColumn: shown?.viewColumn ?? ViewColumn.Beside, selection: new Range(at, at) });
  editor.revealRange(new Range(at, at), TextEditorRevealType.InCenter);
}
