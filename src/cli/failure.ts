import { ClientError, Status } from "nice-grpc";
import { printable, printableLines } from "../kernel/text.ts";
import { clientFailure } from "../rpc/errors.ts";

/** The command line is wrong; exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Something that the operator must see and can understand without a stack; exit code 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** Prints what went wrong, for people, and says how the process shall exit. */
export function reportFailure(error: unknown, address: string | undefined): number {
  if (error instanceof UsageError) {
    write(`error: ${error.message}`);
    return 2;
  }
  if (error instanceof CommandError) {
    write(`error: ${error.message}`);
    return 1;
  }
  if (error instanceof ClientError) {
    write(clientErrorLines(error, address).map(printable).join("\n"));
    return 1;
  }
  write(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
}

/** A text of Concord's own may have several lines. */
function write(text: string): void {
  process.stderr.write(`${printableLines(text)}\n`);
}

function clientErrorLines(error: ClientError, address: string | undefined): readonly string[] {
  const { code, reason, message, fields, preconditions, retryAfterMs } = clientFailure(error);
  if (reason === undefined && code === Status.UNAVAILABLE) {
    return [`error: no Concord answers at ${address}; start one with "make up", or name another with --address`];
  }
  const lines = [`error: ${message}`, `  ${Status[code]}${reason === undefined ? "" : ` / ${reason}`}`];
  if (fields.length > 1) lines.push(...fields.map(({ field, description }) => `  ${field}: ${description}`));
  if (preconditions.length > 1)
    lines.push(...preconditions.map(({ type, subject, description }) => `  ${type.toLowerCase()} ${subject}: ${description}`));
  if (retryAfterMs !== undefined) lines.push(`  may be retried after ${retryAfterMs} ms`);
  return lines;
}
