import { ClientError, Status } from "nice-grpc";
import { printable, printableLines } from "../kernel/text.ts";
import { type ClientFailure, clientFailure } from "../rpc/errors.ts";
import { adviceOf } from "./advice.ts";

/** Where Concord is, unless it is said. */
export const defaultAddress = "127.0.0.1:50051";

/** The command line is wrong; exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Something that the operator must see and can understand without a stack; exit code 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** A change that was asked for, as far as its caller knows it. */
export type Change = {
  readonly requestId: string;
  /** What a retry needs besides, with a space before it. */
  readonly retryFlags?: string;
  /** The commands that tell what has become of it. */
  readonly look: readonly string[];
  readonly transactionId: string | undefined;
  /** Of a command that asks for two changes: what the first has done, in case that the second is refused. */
  readonly done?: Done | undefined;
};

/** What was done and what was not, for a line of its own, and the commands that can follow. */
export type Done = { readonly text: string; readonly next: readonly string[] };

/**
 * Prints what went wrong, for people, and says how the process shall exit: 2 if the command line is wrong, 3 if nobody knows whether the
 * change was made, else 1.
 */
export function reportFailure(error: unknown, address: string | undefined, change?: Change): number {
  if (error instanceof UsageError) {
    write(`error: ${error.message}`);
    return 2;
  }
  if (error instanceof CommandError) {
    write(withDone([`error: ${error.message}`], change).join("\n"));
    return 1;
  }
  if (error instanceof ClientError) {
    const failure = clientFailure(error);
    if (change === undefined || wasNotSent(failure) || adviceOf(failure).outcome === "not done") {
      writeLines(withDone(failureLines(failure, `no Concord answers at ${address}; ${startOne}`), change));
      return 1;
    }
    writeLines(failureLines(failure, `the connection to ${address} broke before an answer came`));
    writeLines(unknownLines(failure, change, address));
    return 3;
  }
  write(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
}

/** A refusal, between what was done before it and what can be done now. */
const withDone = (lines: readonly string[], { done }: Partial<Change> = {}): readonly string[] =>
  done === undefined
    ? lines
    : [`error: ${done.text}`, ...lines.map((line) => line.replace(/^error: /, "  ")), ...done.next.map((each) => `  ${each}`)];

/** A text of Concord's own may have several lines. */
function write(text: string): void {
  process.stderr.write(`${printableLines(text)}\n`);
}

const writeLines = (lines: readonly string[]): void => write(lines.map(printable).join("\n"));

const startOne = 'start one with "make up", or name another with --address';

/** grpc-js says it of a call that found no connection, or that could not be written, and so has asked for nothing. */
const wasNotSent = ({ reason, code, message }: ClientFailure): boolean =>
  reason === undefined &&
  ((code === Status.UNAVAILABLE && message.startsWith("No connection established")) ||
    (code === Status.INTERNAL && message.startsWith("Request message serialization failure")));

function failureLines(failure: ClientFailure, whenUnavailable: string): readonly string[] {
  const { code, reason, message, fields, preconditions, retryAfterMs } = failure;
  if (reason === undefined && code === Status.UNAVAILABLE) return [`error: ${whenUnavailable}`];
  const lines = [...linesOf(`error: ${message}`, code), `  ${Status[code]}${reason === undefined ? "" : ` / ${reason}`}`];
  // The message may be the first of them.
  const shown = fields.filter(({ field, description }) => message !== `${field}: ${description}`);
  if (fields.length > 1) lines.push(...shown.flatMap(({ field, description }) => linesOf(`  ${field}: ${description}`, code)));
  if (preconditions.length > 1)
    lines.push(...preconditions.map(({ type, subject, description }) => `  ${type.toLowerCase()} ${subject}: ${description}`));
  if (retryAfterMs !== undefined) lines.push(`  may be retried after ${waitText(retryAfterMs)}`);
  return lines;
}

/** What is wrong with an expression is shown where it stands, on lines beneath. Other texts of others have one line, whatever is in them. */
function linesOf(text: string, code: Status): readonly string[] {
  const [first = "", ...source] = code === Status.INVALID_ARGUMENT ? text.split("\n") : [text];
  return [first, ...source.map((line) => `    ${line}`)];
}

/** What is known of a change without an answer, and the commands that tell more. */
function unknownLines(
  failure: ClientFailure,
  { requestId, retryFlags = "", look, transactionId }: Change,
  address: string | undefined,
): readonly string[] {
  const transaction = failure.metadata["transaction_id"] ?? transactionId;
  const commands = new Set([...(transaction === undefined ? [] : [`concord tx get ${transaction}`]), ...look]);
  const where = address === defaultAddress ? "" : ` --address ${address}`;
  const lines = commands.size === 0 ? ["  outcome unknown"] : [...commands].map((each) => `  outcome unknown: ${each}${where}`);
  if (adviceOf(failure).retry === "same") lines.push(`  retry with --request-id ${requestId}${retryFlags}`);
  return lines;
}

/** As people say it, and never too short. */
function waitText(ms: number): string {
  for (const [unit, size] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1000],
  ] as const) {
    if (ms >= size) return `${Math.ceil((10 * ms) / size) / 10} ${unit}`;
  }
  return `${Math.ceil(ms)} ms`;
}
