/** Progress of the server's long tasks. The language client shows it in the status bar, where nothing can be cancelled. */
import { ProgressLocation, window } from 'vscode';
import type {
  HandleWorkDoneProgressSignature,
  ProgressToken,
  WorkDoneProgressBegin,
  WorkDoneProgressReport,
} from 'vscode-languageclient/node';

type WorkDoneProgress = Parameters<HandleWorkDoneProgressSignature>[1];

interface Shown {
  report(params: WorkDoneProgressReport): void;
  end(): void;
}

/** A task that can be cancelled gets a notification with a Cancel button; others stay where they were. */
export class CancellableProgress {
  private readonly shown = new Map<ProgressToken, Shown>();

  constructor(private readonly cancel: (token: ProgressToken) => Promise<void>) {}

  handle(token: ProgressToken, params: WorkDoneProgress, next: HandleWorkDoneProgressSignature): void {
    if (params.kind === 'begin' && params.cancellable) {
      this.shown.set(token, show(params, () => this.cancel(token)));
      return;
    }
    const mine = this.shown.get(token);
    if (mine && params.kind === 'report') return mine.report(params);
    if (mine && params.kind === 'end') {
      this.shown.delete(token);
      mine.end();
    }
    // The client's own part must hear the end even of a task that it never showed, or it keeps its listener.
    next(token, params);
  }

  /** The server is gone: nobody will end what it began. */
  endAll(): void {
    for (const task of this.shown.values()) task.end();
    this.shown.clear();
  }
}

function show(begin: WorkDoneProgressBegin, cancel: () => Promise<void>): Shown {
  let report: Shown['report'] = () => undefined;
  let end: Shown['end'] = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  let percentage = 0;
  void window.withProgress({ location: ProgressLocation.Notification, title: begin.title, cancellable: true }, (progress, cancelled) => {
    cancelled.onCancellationRequested(() => void cancel());
    report = ({ message, percentage: now = percentage }) => {
      progress.report({ increment: Math.max(0, now - percentage), ...(message === undefined ? {} : { message }) });
      percentage = Math.max(percentage, now);
    };
    report({ kind: 'report', ...(begin.message === undefined ? {} : { message: begin.message }) });
    return ended;
  });
  return { report: (params) => report(params), end: () => end() };
}
