import { setTimeout as sleep } from "node:timers/promises";
import { ClientError } from "nice-grpc";
import { adviceOf } from "../rpc/advice.ts";
import { clientFailure } from "../rpc/errors.ts";
import { type OutputFormat, printAside, printed } from "./output.ts";

type Watching = { readonly everyMs: number; readonly output: OutputFormat; readonly signal: AbortSignal };

/** What is on the screen, and not what has scrolled off it: that is the terminal's owner's. */
const clearScreen = "\u001b[H\u001b[2J";

/** A dumb one shows the sequences. */
const isClearable = (): boolean => process.stdout.isTTY && process.env["TERM"] !== "dumb";

/**
 * Runs what prints something again and again, and shows it when it is another than before: on a terminal in the place of the last, elsewhere
 * beneath it; for programs only the lines that are new. What fails at first fails; later, a server that is away is waited for.
 */
export async function watchOutput(run: () => Promise<void>, { everyMs, output, signal }: Watching): Promise<void> {
  let last: readonly string[] | undefined;
  let trouble = "";
  while (!signal.aborted) {
    try {
      const lines = await printed(run);
      if (last === undefined || lines.join("\n") !== last.join("\n") || trouble !== "") show(lines, last, output);
      last = lines;
      trouble = "";
    } catch (error) {
      if (last === undefined || !isPassing(error)) throw error;
      if (error.details !== trouble) printAside(`no answer, still trying: ${error.details}`);
      trouble = error.details;
    }
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

function show(lines: readonly string[], last: readonly string[] = [], output: OutputFormat): void {
  const known = new Set(output === "table" ? [] : last);
  const shown = lines.filter((line) => !known.has(line));
  const before = output !== "table" ? "" : isClearable() ? clearScreen : last.length > 0 ? "\n" : "";
  process.stdout.write(before + shown.map((line) => `${line}\n`).join(""));
}

const isPassing = (error: unknown): error is ClientError =>
  error instanceof ClientError && adviceOf(clientFailure(error)).retry === "same";
