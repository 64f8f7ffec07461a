/**
 * Chooses the Python that runs the server: the setting, the Python extension's interpreter, the server that
 * this extension installed itself, then the PATH. Each candidate is asked for its version and for the server
 * before it is taken: a language client that starts a wrong interpreter only fails with a broken pipe.
 */

/** Oldest Python that the server runs on; `requires-python` of the package. */
export const MINIMUM_PYTHON: readonly [number, number] = [3, 11];

export interface Candidate {
  /** Program and its leading arguments, such as `["py", "-3"]`. */
  readonly command: readonly [string, ...string[]];
  /** Where it comes from, as a user would say it. */
  readonly source: string;
}

/** What a Python says of itself. */
export interface Facts {
  readonly version: readonly [number, number, number];
  /** Version of the server that it can import; null: it cannot. */
  readonly server: string | null;
}

/** Asks one Python; rejects when it cannot be started or says nothing that can be read. */
export type Probe = (command: readonly [string, ...string[]]) => Promise<Facts>;

export interface Attempt {
  readonly candidate: Candidate;
  readonly facts?: Facts;
  /** Why it was not taken; absent on the chosen one. */
  readonly problem?: string;
}

export interface Choice {
  readonly chosen?: { readonly candidate: Candidate; readonly facts: Facts };
  /** All that were asked, in their order. */
  readonly attempts: readonly Attempt[];
}

/** Valid in Python 2 as well, so that an old interpreter can say that it is old. */
export const PROBE_SCRIPT = `
import json, sys
server = None
if sys.version_info >= (3, 11):
    try:
        import prototxt_server
        server = "of unknown version"
        from importlib.metadata import version
        server = version("prototxt-lsp")
    except ImportError:
        pass
sys.stdout.write("\\n" + json.dumps({"version": list(sys.version_info[:3]), "server": server}) + "\\n")
`;

/** Reads the last line that PROBE_SCRIPT printed; a sitecustomize may have printed others. */
export function parseFacts(output: string): Facts {
  const line = output.trim().split(/\r?\n/).at(-1) ?? '';
  const facts: unknown = JSON.parse(line);
  if (typeof facts !== 'object' || facts === null || !Array.isArray((facts as Facts).version)) {
    throw new Error(`not a Python's answer: ${line}`);
  }
  return facts as Facts;
}

/**
 * The Pythons to ask. With a setting the PATH is not searched: that would hide a mistake in the setting. What
 * "Install Server" made is asked all the same, for it was made because the others had no server.
 */
export function candidates(from: {
  readonly setting?: string | undefined;
  readonly pythonExtension?: string | undefined;
  readonly ownEnvironment?: string | undefined;
  readonly platform: NodeJS.Platform;
}): Candidate[] {
  const found: Candidate[] = [];
  const add = (source: string, ...command: readonly [string, ...string[]]) => found.push({ command, source });
  if (from.setting) add('the setting prototxt.interpreter', from.setting);
  else if (from.pythonExtension) add('the Python extension', from.pythonExtension);
  if (from.ownEnvironment) add('the installed server', from.ownEnvironment);
  if (from.setting) return found;
  if (from.platform === 'win32') add('the PATH', 'py', '-3');
  else add('the PATH', 'python3');
  add('the PATH', 'python');
  return found;
}

/** Asks the candidates one after the other and takes the first that can run the server. */
export async function chooseInterpreter(list: readonly Candidate[], probe: Probe): Promise<Choice> {
  const attempts: Attempt[] = [];
  for (const candidate of list) {
    let facts: Facts;
    try {
      facts = await probe(candidate.command);
    } catch (error) {
      attempts.push({ candidate, problem: error instanceof Error ? error.message : String(error) });
      continue;
    }
    const problem = problemOf(facts);
    if (problem === undefined) {
      attempts.push({ candidate, facts });
      return { chosen: { candidate, facts }, attempts };
    }
    attempts.push({ candidate, facts, problem });
  }
  return { attempts };
}

function isNewEnough(facts: Facts): boolean {
  const [major, minor] = facts.version;
  return major > MINIMUM_PYTHON[0] || (major === MINIMUM_PYTHON[0] && minor >= MINIMUM_PYTHON[1]);
}

function problemOf(facts: Facts): string | undefined {
  if (!isNewEnough(facts)) return `is Python ${facts.version.join('.')}, needed is ${MINIMUM_PYTHON.join('.')} or newer`;
  if (facts.server === null) return `is Python ${facts.version.join('.')} without prototxt-lsp`;
  return undefined;
}

/** The first Python that is new enough: the one to install the server with. */
export function installable(choice: Choice): Candidate | undefined {
  return choice.attempts.find(({ facts }) => facts && isNewEnough(facts))?.candidate;
}

/** One line per attempt, for the log. */
export function describeAttempts(choice: Choice): string[] {
  return choice.attempts.map(({ candidate, facts, problem }) => {
    const what = `${candidate.command.join(' ')} (${candidate.source})`;
    return problem === undefined ? `${what}: Python ${facts?.version.join('.')}, server ${facts?.server}` : `${what}: ${problem}`;
  });
}
