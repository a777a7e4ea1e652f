import { vi } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { runCommandLine } from "../../src/cli/run-program.ts";
import { version } from "../../src/version.ts";

export type Answer = { readonly code: number; readonly out: string; readonly err: string };

/** What a command line would have ended the process with. */
class Exit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** One after the other: they share what a process has one of. */
let last: Promise<unknown> = Promise.resolve();

/**
 * Runs a command line as `bin/concord` does, in this process, which has the program in memory already: most of what a command costs is to
 * start. That processes start, end, and are heard is tried with real ones, where documents are pasted (readme) and in serve.
 */
export function typed(
  args: readonly string[],
  { address, cwd }: { readonly address: string; readonly cwd?: string },
): Promise<Answer> {
  const answer = last.then(() => run(args, address, cwd ?? process.cwd()));
  last = answer.catch(() => undefined);
  return answer;
}

async function run(args: readonly string[], address: string, cwd: string): Promise<Answer> {
  const out: string[] = [];
  const err: string[] = [];
  const before = { cwd: process.cwd(), exitCode: process.exitCode };
  vi.stubEnv("CONCORD_ADDRESS", address);
  process.chdir(cwd);
  process.exitCode = 0;
  const spies = [heard(process.stdout, out), heard(process.stderr, err)];
  try {
    await runCommandLine(await createProgram(args, version), args, (code) => {
      throw new Exit(code);
    });
    return { code: Number(process.exitCode), out: out.join(""), err: err.join("") };
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    return { code: error.code, out: out.join(""), err: err.join("") };
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = before.exitCode;
    process.chdir(before.cwd);
    vi.unstubAllEnvs();
  }
}

function heard(stream: NodeJS.WriteStream, texts: string[]) {
  return vi.spyOn(stream, "write").mockImplementation((text, ...rest) => {
    texts.push(typeof text === "string" ? text : Buffer.from(text).toString());
    // Whoever waits until it is written goes on.
    for (const done of rest) if (typeof done === "function") (done as () => void)();
    return true;
  });
}
