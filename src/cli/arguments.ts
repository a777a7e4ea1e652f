import { Argument, InvalidArgumentError, Option } from "commander";
import { durationExamples, formatDuration, parseDurationMs, withUnit } from "../config.ts";
import { Outcome } from "../gen/concord/commit/v1/transaction.ts";
import { addressProblem } from "../kernel/address.ts";
import { idPattern, idWords } from "../kernel/ids.ts";
import type { JsonObject } from "../kernel/json.ts";

// What is written on a command line, as commander's parsers: they say what is wrong, and what would be right.

/** Of a duration of the contract: google/protobuf/duration.proto. */
const durationMsMax = 315_576_000_000_000;

/** Commander's parser for durations such as `30s`. */
export function durationArgument(text: string): number {
  const ms = wireDurationMs(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError(`It ${withUnit(`must be ${durationWords}`, text, "s")}.`);
}

/** Of how long to wait. Nobody answers in no time. */
export function timeoutArgument(text: string): number {
  if (Number.parseFloat(text) === 0) throw new InvalidArgumentError("It must be above 0, such as 250ms or 30s.");
  return durationArgument(text);
}

export const durationWords = `a duration such as ${durationExamples}, of at most 10,000 years`;

/** Undefined: it is no duration, or one that could not even be written in a request. */
export function wireDurationMs(text: string): number | undefined {
  const ms = parseDurationMs(text);
  return ms !== undefined && ms <= durationMsMax ? ms : undefined;
}

/** Its default is shown as people write it. */
export const durationOption = (flags: string, description: string, defaultMs: number): Option =>
  new Option(flags, description).argParser(durationArgument).default(defaultMs, formatDuration(defaultMs));

/** How an operator says that something ended. */
export const outcomeArgument = (): Argument =>
  new Argument("<outcome>", "committed or aborted").argParser((text: string) => {
    if (text === "committed") return Outcome.COMMITTED;
    if (text === "aborted") return Outcome.ABORTED;
    throw new InvalidArgumentError("It must be committed or aborted.");
  });

/** Commander's parsers for addresses to dial, and to listen on. */
export const addressArgument = (text: string): string => checkedAddress(text, 1);
export const listenArgument = (text: string): string => checkedAddress(text, 0);

function checkedAddress(text: string, portMin: number): string {
  const problem = addressProblem(text, portMin);
  if (problem !== undefined) throw new InvalidArgumentError(`It ${problem}.`);
  return text;
}

export function idArgument(text: string): string {
  if (!idPattern.test(text)) throw new InvalidArgumentError(`It ${idWords}.`);
  return text;
}

/** Commander's parser for whole numbers within bounds. Beyond its own, a field of the contract could not even be written. */
export function integerArgument(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

export const limitArgument = integerArgument(1, 2 ** 31 - 1);

export const seedArgument = integerArgument(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);

export function jsonArgument(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch {
    // Said below, for people.
  }
  throw new InvalidArgumentError('It must be a JSON object, such as {"site":"B"}.');
}

/** For options that may be given more than once. */
export function collect<T>(parse: (text: string) => T): (text: string, earlier: readonly T[] | undefined) => readonly T[] {
  return (text, earlier) => [...(earlier ?? []), parse(text)];
}
