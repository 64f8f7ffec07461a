/** Identifiers that package.json, the server and these modules share. */

export const LANGUAGE = 'prototxt';
export const LOG_LANGUAGE = 'caffe-log';

export const RUN_FORWARD = 'prototxt.runForward';
export const ANALYSE_LOG = 'prototxt.analyseLog';
export const RESTART = 'prototxt.restart';
export const SHOW_LOG = 'prototxt.showLog';
export const INSTALL_SERVER = 'prototxt.installServer';

/** Commands that the server executes. */
export const SERVER_RUN_FORWARD = 'prototxt.server.runForward';
export const SERVER_ANALYSE_LOG = 'prototxt.server.analyseLog';

/** Notification of the server: ForwardState. */
export const STATUS_NOTIFICATION = 'prototxt/status';
