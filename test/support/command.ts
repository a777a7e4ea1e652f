import type { Command } from "commander";
import { vi } from "vitest";
import { reportFailure } from "../../src/cli/failure.ts";

export type Ran = { readonly code: number; readonly out: string; readonly err: string };

/** Runs a command in this process, as `concord` would. Not beside others: it listens to what the process prints. */
export async function runCommand(command: Command, ...args: readonly string[]): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const catchWrites = (stream: NodeJS.WriteStream, texts: string[]) =>
    vi.spyOn(stream, "write").mockImplementation((text) => texts.push(String(text)) > 0);
  const spies = [catchWrites(process.stdout, out), catchWrites(process.stderr, err)];
  const { exitCode } = process;
  process.exitCode = 0;
  try {
    await command.parseAsync(args, { from: "user" });
  } catch (error) {
    process.exitCode = reportFailure(error);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  const code = Number(process.exitCode);
  process.exitCode = exitCode;
  return { code, out: out.join(""), err: err.join("") };
}
