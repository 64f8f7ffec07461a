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
  readonly executable: string;
  /** Version of the server that it can import; null: it cannot. */
  readonly server: string | null;
  /** Runs in a virtual environment. */
  readonly venv: boolean;
  /** pip refuses to install into it (PEP 668, as on Debian and Ubuntu). */
  readonly managed: boolean;
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
import json, os, sys
server = None
managed = False
if sys.version_info >= (3, 11):
    import sysconfig
    managed = os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
    try:
        import prototxt_server
        server = str(getattr(prototxt_server, "__version__", "")) or "unknown"
    except ImportError:
        pass
venv = sys.prefix != getattr(sys, "base_prefix", sys.prefix)
facts = {"version": list(sys.version_info[:3]), "executable": sys.executable,
         "server": server, "venv": venv, "managed": managed and not venv}
sys.stdout.write("\\n" + json.dumps(facts) + "\\n")
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

/** The Pythons to ask. An explicit setting stands alone: falling back from it would hide a mistake in it. */
export function candidates(from: {
  readonly setting?: string | undefined;
  readonly pythonExtension?: string | undefined;
  readonly ownEnvironment?: string | undefined;
  readonly platform: NodeJS.Platform;
}): Candidate[] {
  if (from.setting) return [{ command: [from.setting], source: 'the setting prototxt.interpreter' }];
  const found: Candidate[] = [];
  if (from.pythonExtension) found.push({ command: [from.pythonExtension], source: 'the Python extension' });
  if (from.ownEnvironment) found.push({ command: [from.ownEnvironment], source: 'the installed server' });
  const onPath: [string, ...string[]][] =
    from.platform === 'win32' ? [['py', '-3'], ['python']] : [['python3'], ['python']];
  return [...found, ...onPath.map((command) => ({ command, source: 'the PATH' }))];
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

/** The first Python that lacks nothing but the server: the one to install it with. */
export function installable(choice: Choice): { candidate: Candidate; facts: Facts } | undefined {
  for (const { candidate, facts } of choice.attempts) {
    if (facts && isNewEnough(facts)) return { candidate, facts };
  }
  return undefined;
}

/** One line per attempt, for the log. */
export function describeAttempts(choice: Choice): string[] {
  return choice.attempts.map(({ candidate, facts, problem }) => {
    const what = `${candidate.command.join(' ')} (${candidate.source})`;
    return problem === undefined ? `${what}: Python ${facts?.version.join('.')}, server ${facts?.server}` : `${what}: ${problem}`;
  });
}
