/** What the server says about a log, in one line for a notification. */

export interface LogSummary {
  message: string;
  writer: string;
  findings: { code: string; severity: string; layer: string | null; row: number; message: string }[];
}

const LONGEST = 300;

/** `2 findings; first (line 76, DYN003): gamma of 'bnorm1' is 0 ...` */
export function logMessage(summary: LogSummary): string {
  const [first] = summary.findings;
  if (!first) return 'Caffe log: nothing found.';
  const count = summary.findings.length;
  const said = first.message.length > LONGEST ? `${first.message.slice(0, LONGEST - 1)}…` : first.message;
  return `${count} finding${count === 1 ? '' : 's'}; first (line ${first.row}, ${first.code}): ${said}`;
}
