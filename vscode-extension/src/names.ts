/** Identifiers that package.json, the server and these modules share. */

export const LANGUAGE = 'prototxt';

export const RUN_FORWARD = 'prototxt.runForward';
export const RESTART = 'prototxt.restart';
export const SHOW_LOG = 'prototxt.showLog';
export const INSTALL_SERVER = 'prototxt.installServer';

/** Commands that the server executes. */
export const SERVER_RUN_FORWARD = 'prototxt.server.runForward';

/** Notification of the server: ForwardState. */
export const STATUS_NOTIFICATION = 'prototxt/status';
