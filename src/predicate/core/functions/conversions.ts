import { type CelFunc, type CelInput, CelScalar, celFunc, celUint, objectType } from "@bufbuild/cel";
import { getTextEncoding } from "@bufbuild/protobuf/wire";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { durationOf, timestampAt, timestampOf } from "./time.ts";

const { BOOL, BYTES, DOUBLE, INT, STRING, UINT } = CelScalar;
const TIMESTAMP = objectType(TimestampSchema);
const DURATION = objectType(DurationSchema);

const notAn = (text: string, what: string) => new Error(`${JSON.stringify(text)} is no ${what}`);

/** No integer of 64 bits has more digits, besides zeros before them. */
const signed = /^([+-]?)0*(\d{1,20})$/;
const unsigned = /^()0*(\d{1,20})$/;

/** The library reads texts as JavaScript does, which takes "", " 3 " and "0x3" for numbers. CEL takes digits, and a sign. */
function integerOf(text: string, pattern: RegExp, what: string): bigint {
  const [, sign = "", number] = pattern.exec(text) ?? [];
  if (number === undefined) throw notAn(text, what);
  return BigInt(sign + number);
}

function intOf(text: string): bigint {
  const value = integerOf(text, signed, "int");
  if (BigInt.asIntN(64, value) !== value) throw notAn(text, "int: it is out of range");
  return value;
}

function uintOf(text: string): CelInput<typeof UINT> {
  const value = integerOf(text, unsigned, "uint");
  if (BigInt.asUintN(64, value) !== value) throw notAn(text, "uint: it is out of range");
  return celUint(value);
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const noNumbers = /^(?:nan|[+-]?inf(?:inity)?)$/i;

function doubleOf(text: string): number {
  if (noNumbers.test(text)) return /nan/i.test(text) ? Number.NaN : text.startsWith("-") ? -Infinity : Infinity;
  const value = decimal.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value)) throw notAn(text, "double");
  return value;
}

/** A mark of the order of bytes is a character like others, which the library leaves out. */
function bytesText(bytes: Uint8Array): string {
  try {
    return getTextEncoding().decodeUtf8(bytes, true);
  } catch {
    throw new Error("these bytes are no string: they are not UTF-8");
  }
}

const bools: Readonly<Record<string, boolean>> = Object.fromEntries([
  ...["true", "True", "TRUE", "t", "1"].map((text) => [text, true]),
  ...["false", "False", "FALSE", "f", "0"].map((text) => [text, false]),
]);

function boolOf(text: string): boolean {
  const value = Object.hasOwn(bools, text) ? bools[text] : undefined;
  if (value === undefined) throw notAn(text, "bool");
  return value;
}

/** The library leaves the sign of `-0.0` out. */
export const doubleText = (value: number): string => (Object.is(value, -0) ? "-0" : String(value));

export const conversionFunctions: readonly CelFunc[] = [
  celFunc("int", [STRING], INT, intOf),
  celFunc("uint", [STRING], UINT, uintOf),
  celFunc("double", [STRING], DOUBLE, doubleOf),
  celFunc("bool", [STRING], BOOL, boolOf),
  celFunc("string", [DOUBLE], STRING, doubleText),
  celFunc("string", [BYTES], STRING, bytesText),
  celFunc("timestamp", [STRING], TIMESTAMP, timestampOf),
  celFunc("timestamp", [INT], TIMESTAMP, timestampAt),
  celFunc("duration", [STRING], DURATION, durationOf),
  celFunc("duration", [INT], DURATION, (seconds) => durationOf(`${seconds}s`)),
];
