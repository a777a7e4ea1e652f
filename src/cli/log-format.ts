import { environmentName } from "../config.ts";
import { LoggedError } from "./failure.ts";

/** Commands that log to standard error, in lines for people or for machines. */
const logging: ReadonlySet<string> = new Set(["serve", "participant"]);

export const isForMachines = (format: unknown): boolean => format === "json" || (format !== "pretty" && !process.stderr.isTTY);

/** Before the command line is understood: whether what is wrong with it belongs in a log for machines. */
export function logsForMachines([command = "", ...args]: readonly string[]): boolean {
  if (!logging.has(command)) return false;
  const at = args.findIndex((arg) => /^--log-format(=|$)/.test(arg));
  const given = args[at]?.includes("=") ? args[at].split("=")[1] : args[at + 1];
  return isForMachines(at === -1 ? process.env[environmentName("log-format")] : given);
}

/** Why a command does not go on stands in its log, if that is for machines, which read nothing else. */
export const toldWith = (logFormat: unknown, error: unknown): unknown =>
  isForMachines(logFormat ?? process.env[environmentName("log-format")]) ? new LoggedError(error) : error;

export async function inLog<Started>(logFormat: unknown, start: () => Promise<Started>): Promise<Started> {
  try {
    return await start();
  } catch (error) {
    throw toldWith(logFormat, error);
  }
}
