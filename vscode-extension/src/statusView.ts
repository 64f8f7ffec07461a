/** What the language status item shows for each state of the server. No editor types, so that it can be tested. */

export type ServerState =
  | { readonly kind: 'restricted' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready'; readonly server: string; readonly forward?: ForwardState }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'stopped' };

/** Parameters of the server's notification `prototxt/status`. */
export interface ForwardState {
  readonly state: 'idle' | 'running' | 'error' | 'trouble';
  /** Such as `cpu` or `cuda:0 NVIDIA ...`; empty before the first run. */
  readonly device?: string;
  readonly message?: string;
}

export interface StatusView {
  readonly text: string;
  readonly detail?: string;
  readonly severity: 'information' | 'warning' | 'error';
  readonly busy: boolean;
}

export function statusView(state: ServerState): StatusView {
  switch (state.kind) {
    case 'restricted':
      return { text: 'Prototxt: off', detail: 'Trust this folder to check its nets', severity: 'warning', busy: false };
    case 'starting':
      return { text: 'Prototxt: starting', severity: 'information', busy: true };
    case 'failed':
      return { text: 'Prototxt: not running', detail: state.message, severity: 'error', busy: false };
    case 'stopped':
      return { text: 'Prototxt: stopped', severity: 'warning', busy: false };
    case 'ready':
      return readyView(state.server, state.forward);
  }
}

function readyView(server: string, forward: ForwardState | undefined): StatusView {
  const device = forward?.device ? ` (${forward.device})` : '';
  const detail = [server, forward?.message].filter(Boolean).join(' \u2013 ');
  switch (forward?.state) {
    case 'running':
      return { text: `Prototxt: running one batch${device}`, detail, severity: 'information', busy: true };
    case 'error':
      return { text: `Prototxt: forward failed${device}`, detail, severity: 'warning', busy: false };
    case 'trouble':
      return { text: 'Prototxt: internal error', detail, severity: 'error', busy: false };
    default:
      return { text: `Prototxt: ready${device}`, detail, severity: 'information', busy: false };
  }
}
