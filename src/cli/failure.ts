import { ClientError, Status } from "nice-grpc";
import { environmentName } from "../config.ts";
import { printable, printableLines } from "../kernel/text.ts";
import { adviceOf } from "../rpc/advice.ts";
import { UnprotectedToken } from "../rpc/clients/security.ts";
import { type ClientFailure, clientFailure } from "../rpc/errors.ts";
import { waitText } from "./output.ts";
import { shellWord } from "./shell-word.ts";

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

/** Of a command whose log is for machines: they are told in a line of it. */
export class LoggedError extends Error {
  override readonly name = "LoggedError";
  override readonly cause: unknown;

  constructor(cause: unknown) {
    super("told in the log");
    this.cause = cause;
  }
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

/** Where a command has asked, and what is known besides of a failure there. */
export type Asked = {
  readonly address?: string | undefined;
  readonly change?: Change | undefined;
  /** Why nothing has answered, if that is known. */
  readonly unanswered?: string | undefined;
};

/**
 * Prints what went wrong, for people or for programs, and says how the process shall exit: 2 if the command line is wrong, 3 if nobody
 * knows whether the change was made, else 1.
 */
export function reportFailure(error: unknown, asked: Asked = {}, format: FailureFormat = "text"): number {
  if (error instanceof LoggedError) return reportFailure(error.cause, asked, "log");
  const { code, message, lines, known } = told(error, asked);
  if (format === "log") {
    process.stderr.write(`${logLine(lines.join("\n"))}\n`);
    return code;
  }
  // Of programs' errors, each is one line, as their answers are.
  write(format === "text" ? lines.join("\n") : jsonLine(code, message, known));
  return code;
}

/** `log`: of a command whose log is for machines, its last line. */
export type FailureFormat = "text" | "json" | "log";

export const logLine = (text: string): string =>
  JSON.stringify({ level: "fatal", time: new Date().toISOString(), msg: text.trim().replace(/^error: /, "") });

export const jsonLine = (exitCode: number, message: string, known: object = {}): string =>
  JSON.stringify({ error: { exitCode, message, ...known } });

/** `known`: what a program can branch on. */
type Told = { readonly code: number; readonly message: string; readonly lines: readonly string[]; readonly known?: object };

function told(error: unknown, asked: Asked): Told {
  if (error instanceof ClientError) return toldCall(clientFailure(error), asked);
  const { message = String(error), stack = message } = error instanceof Error ? error : {};
  if (error instanceof UsageError || error instanceof UnprotectedToken) return { code: 2, message, lines: [`error: ${message}`] };
  if (!(error instanceof CommandError)) return { code: 1, message, lines: [stack] };
  return { code: 1, message, lines: withDone([`error: ${message}`], asked.change), known: { ...asked.change?.done } };
}

function toldCall(failure: ClientFailure, { address = "", change, unanswered }: Asked): Told {
  const isUnknown = change !== undefined && !wasNotSent(failure) && adviceOf(failure).outcome === "unknown";
  const whenUnavailable = isUnknown
    ? `the connection to ${address} broke before an answer came`
    : `no Concord answers at ${address}; ${startWords(address)}, or name another with --address`;
  const isSilent = failure.reason === undefined && failure.code === Status.UNAVAILABLE;
  const silence = unanswered ?? (isSilent ? whenUnavailable : undefined);
  const message = silence ?? failure.message;
  const lines = silence === undefined ? failureLines(failure) : [`error: ${silence}`];
  const known = knownOf(failure);
  if (!isUnknown)
    return { code: 1, message, lines: withDone(lines, change).map(printable), known: { ...known, ...change?.done } };
  const unknown = unknownOf(failure, change, address);
  return { code: 3, message, lines: [...lines, ...unknownLines(unknown)].map(printable), known: { ...known, ...unknown } };
}

/** As the contract names it. */
function knownOf({ code, reason, metadata, fields, preconditions, retryAfterMs }: ClientFailure): object {
  return {
    code: Status[code],
    ...(reason === undefined ? {} : { reason, metadata }),
    ...(fields.length === 0 ? {} : { fields }),
    ...(preconditions.length === 0 ? {} : { preconditions }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
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

/** In a clone there is make, and it serves where nobody has said another address. The package has JavaScript, and no make. */
const startWords = (address: string): string =>
  address === defaultAddress && import.meta.filename.endsWith(".ts")
    ? 'start one with "make up"'
    : `start it (concord serve --listen ${shellWord(address)})`;

/** grpc-js says it of a call that found no connection, or that could not be written, and so has asked for nothing. */
const wasNotSent = ({ reason, code, message }: ClientFailure): boolean =>
  reason === undefined &&
  ((code === Status.UNAVAILABLE && /^(No connection established|Name resolution failed)/.test(message)) ||
    (code === Status.INTERNAL && message.startsWith("Request message serialization failure")));

function failureLines(failure: ClientFailure): readonly string[] {
  const { code, reason, message, fields, preconditions, retryAfterMs } = failure;
  const lines = [...linesOf(`error: ${message}`, code), `  ${Status[code]}${reason === undefined ? "" : ` / ${reason}`}`];
  // The message may be the first of them.
  const shown = fields.filter(({ field, description }) => message !== `${field}: ${description}`);
  if (fields.length > 1) lines.push(...shown.flatMap(({ field, description }) => linesOf(`  ${field}: ${description}`, code)));
  if (preconditions.length > 1)
    lines.push(...preconditions.map(({ type, subject, description }) => `  ${type.toLowerCase()} ${subject}: ${description}`));
  if (reason === "UNAUTHENTICATED") lines.push(`  a token is taken from --token-file, or from ${environmentName("token")}`);
  if (reason === "PERMISSION_DENIED")
    lines.push("  whoever runs the server can grant it; concord access explain says by what, or why not");
  if (retryAfterMs !== undefined) lines.push(`  may be retried after ${waitText(retryAfterMs)}`);
  return lines;
}

/** What is wrong with an expression is shown where it stands, on lines beneath. Other texts of others have one line, whatever is in them. */
function linesOf(text: string, code: Status): readonly string[] {
  const [first = "", ...source] = code === Status.INVALID_ARGUMENT ? text.split("\n") : [text];
  return [first, ...source.map((line) => `    ${line}`)];
}

/** What is known of a change without an answer, and the commands that tell more. */
function unknownOf(failure: ClientFailure, { requestId, retryFlags = "", look, transactionId }: Change, address: string) {
  const transaction = failure.metadata["transaction_id"] ?? transactionId;
  const commands = new Set([...(transaction === undefined ? [] : [`concord tx get ${transaction}`]), ...look]);
  const where = address === defaultAddress ? "" : ` --address ${shellWord(address)}`;
  const retry = adviceOf(failure).retry === "same" ? { retryWith: `--request-id ${shellWord(requestId)}${retryFlags}` } : {};
  return { outcome: "unknown", look: [...commands].map((each) => `${each}${where}`), ...retry };
}

function unknownLines({ look, retryWith }: { readonly look: readonly string[]; readonly retryWith?: string }): readonly string[] {
  const lines = look.length === 0 ? ["  outcome unknown"] : look.map((each) => `  outcome unknown: ${each}`);
  return retryWith === undefined ? lines : [...lines, `  retry with ${retryWith}`];
}
