/** The language status item: is the server there, and on which device did the last batch run. */
import { commands, type Disposable, languages, LanguageStatusSeverity } from 'vscode';
import { LANGUAGE, LOG_LANGUAGE, SHOW_LOG } from './names';
import { type ForwardState, type ServerState, statusView } from './statusView';

const SEVERITIES = {
  information: LanguageStatusSeverity.Information,
  warning: LanguageStatusSeverity.Warning,
  error: LanguageStatusSeverity.Error,
} as const;

export class Status implements Disposable {
  private readonly item = languages.createLanguageStatusItem('prototxt.status', [{ language: LANGUAGE }, { language: LOG_LANGUAGE }]);
  private state: ServerState = { kind: 'stopped' };

  constructor() {
    this.item.name = 'Prototxt';
    this.item.command = { command: SHOW_LOG, title: 'Show Log' };
    this.show(this.state);
  }

  show(state: ServerState): void {
    this.state = state;
    const view = statusView(state);
    this.item.text = view.text;
    this.item.detail = view.detail ?? '';
    this.item.severity = SEVERITIES[view.severity];
    this.item.busy = view.busy;
    void commands.executeCommand('setContext', 'prototxt.ready', state.kind === 'ready');
  }

  /** News of the one-batch check; meaningless, and dropped, while no server is ready. */
  showForward(forward: ForwardState): void {
    if (this.state.kind === 'ready') this.show({ ...this.state, forward });
  }

  dispose(): void {
    this.item.dispose();
  }
}
