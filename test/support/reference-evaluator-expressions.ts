import { type CelInput, type CelValue, celList, celUint, isCelList, isCelMap, isCelUint } from "@bufbuild/cel";
import { isMessage } from "@bufbuild/protobuf";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import { DurationSchema, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { recordOf } from "../../src/predicate/core/maps.ts";
import type { Outcome, Value } from "./reference-evaluator-values.ts";

/** Each variable of a random expression, and the type that its values mostly have. */
const variables = {
  flag: "bool",
  count: "int",
  size_: "uint",
  level: "double",
  name: "string",
  start: "timestamp",
  span: "duration",
  numbers: "ints",
  tags: "strings",
  data: "map",
  other: "any",
} as const;

export const variableNames = Object.keys(variables);

const bigints = (type: "int" | "uint", ...edges: readonly bigint[]): fc.Arbitrary<Value> =>
  fc.oneof(fc.bigInt(type === "int" ? -5n : 0n, 5n), fc.constantFrom(...edges)).map((value) => ({ type, value }));

const texts = [
  "",
  "a",
  "b",
  "ab",
  "urgent",
  "17",
  "-3",
  "+4",
  " 3 ",
  "0x3",
  "1.5",
  "1e400",
  "\uFFFD",
  "\u{1F600}",
  "é",
  "1h",
  "90s",
  "7d",
];

const secondNs = 1_000_000_000n;
const timesNs = [
  0n,
  -1n,
  1_700_000_000n * secondNs,
  951_782_400n * secondNs + 5_000_000n,
  -62_135_596_800n * secondNs,
  253_402_300_799n * secondNs,
];
const spansNs = [0n, 1n, 90n * secondNs, -3_600n * secondNs, 86_400n * secondNs + 1_500_000n, 2n ** 63n - 1n, -(2n ** 63n)];

const scalars = {
  bool: fc.boolean().map((value): Value => ({ type: "bool", value })),
  int: bigints("int", 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)),
  uint: bigints("uint", 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n),
  double: fc
    .oneof(
      fc.constantFrom(0, -0, 0.5, 1, 2, -1.5, 3, 2 ** 53, 2 ** 63, 2 ** 64, 1e308, Number.NaN, Infinity, -Infinity),
      fc.double(),
    )
    .map((value): Value => ({ type: "double", value })),
  string: fc.constantFrom(...texts).map((value): Value => ({ type: "string", value })),
  timestamp: fc.constantFrom(...timesNs).map((value): Value => ({ type: "timestamp", value })),
  duration: fc.constantFrom(...spansNs).map((value): Value => ({ type: "duration", value })),
};

const listOf = (elements: fc.Arbitrary<Value>): fc.Arbitrary<Value> =>
  fc.array(elements, { maxLength: 4 }).map((value): Value => ({ type: "list", value }));

/** What JSON may hold, and more numbers; no times, which are no part of what a rule sees as data. */
const anyPlain = fc.oneof(
  scalars.bool,
  scalars.int,
  scalars.uint,
  scalars.double,
  scalars.string,
  fc.constant<Value>({ type: "null" }),
);
const keys = ["a", "b", "count", "name"];
const mapOfAny: fc.Arbitrary<Value> = fc
  .dictionary(fc.constantFrom(...keys), fc.oneof(anyPlain, listOf(scalars.int)), { maxKeys: 4, noNullPrototype: true })
  .map(
    (fields): Value => ({
      type: "map",
      value: Object.entries(fields).map(([key, value]) => [{ type: "string", value: key }, value]),
    }),
  );

const values = { ...scalars, ints: listOf(scalars.int), strings: listOf(scalars.string), map: mapOfAny };
const anyValue = fc.oneof(anyPlain, scalars.timestamp, scalars.duration, values.ints, values.strings, listOf(anyPlain), mapOfAny);

/** Values for all variables; now and then one of a type that the expression does not reckon with. */
export const inputs: fc.Arbitrary<Readonly<Record<string, Value>>> = fc.record(
  Object.fromEntries(
    Object.entries(variables).map(([name, type]) => [
      name,
      type === "any" ? anyValue : fc.oneof({ arbitrary: values[type], weight: 9 }, { arbitrary: anyValue, weight: 1 }),
    ]),
  ),
);

const quoted = (text: string): string => JSON.stringify(text);
const literals = {
  bool: ["true", "false"],
  int: ["0", "1", "2", "-3", "17", "9223372036854775807", "-9223372036854775808", "9007199254740993"],
  uint: ["0u", "1u", "3u", "18446744073709551615u", "9223372036854775808u", "9007199254740993u"],
  double: ["0.0", "-0.0", "0.5", "1.0", "3.0", "1e308", "9007199254740992.0", "9223372036854775808.0", "18446744073709551616.0"],
  string: texts.map(quoted),
  timestamp: [
    'timestamp("2023-11-14T22:13:20Z")',
    'timestamp("2000-02-29T23:59:59.5-01:30")',
    'timestamp("9999-12-31T23:59:59Z")',
  ],
  duration: ['duration("90s")', 'duration("-1h30m")', 'duration("1.5ms")', 'duration("0")'],
};

type Type = "bool" | "int" | "uint" | "double" | "string" | "timestamp" | "duration" | "ints" | "strings" | "map" | "any";

/** Source text, each operation in brackets. What stands for a hole `$int` is an expression of that type. */
const forms: Readonly<Record<Type, readonly string[]>> = {
  bool: [
    "($bool && $bool)",
    "($bool || $bool)",
    "!$bool",
    "($any == $any)",
    "($any != $any)",
    ...["<", "<=", ">", ">="].flatMap((sign) =>
      [
        "$int $int",
        "$double $int",
        "$uint $double",
        "$int $uint",
        "$string $string",
        "$timestamp $timestamp",
        "$duration $duration",
        "$bool $bool",
      ].map((pair) => `(${pair.replace(" ", ` ${sign} `)})`),
    ),
    "($int == $double)",
    "($double != $uint)",
    "($string in $strings)",
    "($any in $ints)",
    "($string in $map)",
    "($any in $map)",
    "has($map.a)",
    "has(data.count)",
    "$string.startsWith($string)",
    "$string.endsWith($string)",
    "$string.contains($string)",
    "$ints.all(x, $bool)",
    "$ints.exists(x, x > $int)",
    "$strings.exists(x, x.contains($string))",
    "$strings.exists_one(x, x == $string)",
    "$ints.exists_one(x, 10 / x > $int)",
    "$map.all(x, x != $string)",
    "data.exists(x, data[x] == $any)",
    "$ints.all(x, $ints.exists(y, x * y < $int))",
  ],
  int: [
    ...["+", "-", "*", "/", "%"].map((sign) => `($int ${sign} $int)`),
    "(-($int))",
    "size($string)",
    "$ints.size()",
    "size($map)",
    "$ints[$int]",
    "int($string)",
    "int($double)",
    "int($uint)",
    "int($timestamp)",
    "data.count",
    "$timestamp.getHours()",
    "$timestamp.getDayOfWeek()",
    "$timestamp.getFullYear()",
    "$timestamp.getDayOfYear()",
    "$timestamp.getDate()",
    "$timestamp.getMonth()",
    "$timestamp.getMilliseconds()",
    "$duration.getHours()",
    "$duration.getMinutes()",
    "$duration.getSeconds()",
    "$duration.getMilliseconds()",
  ],
  uint: [...["+", "-", "*", "/", "%"].map((sign) => `($uint ${sign} $uint)`), "uint($int)", "uint($double)", "uint($string)"],
  double: [
    ...["+", "-", "*", "/"].map((sign) => `($double ${sign} $double)`),
    "(-($double))",
    "double($int)",
    "double($uint)",
    "double($string)",
  ],
  string: [
    "($string + $string)",
    "$strings[$int]",
    "string($int)",
    "string($uint)",
    "string($bool)",
    "string($timestamp)",
    "string($duration)",
    "data.name",
    'data["name"]',
  ],
  timestamp: [
    "($timestamp + $duration)",
    "($timestamp - $duration)",
    "($duration + $timestamp)",
    "timestamp($int)",
    "timestamp($string)",
  ],
  duration: ["($duration + $duration)", "($duration - $duration)", "($timestamp - $timestamp)", "duration($string)"],
  ints: [
    "[$int, $int]",
    "($ints + $ints)",
    "$ints.filter(x, x > $int)",
    "$ints.map(x, x * $int)",
    "$ints.map(x, x != 0, 100 / x)",
    "$strings.map(x, size(x))",
    "[]",
  ],
  strings: [
    "[$string, $string]",
    "($strings + $strings)",
    "$strings.filter(x, $bool)",
    "$ints.map(x, string(x))",
    "$map.map(x, x)",
  ],
  map: [
    '{"a": $any, "b": $any}',
    '{$string: $int, "count": $int}',
    "{1: $any, $int: $any}",
    "{$uint: $string}",
    "{$bool: $any}",
    "{}",
  ],
  any: ["data.a", "$map[$string]", "$map.b", "$map[$int]", "$strings[$uint]", "null", "[$any]", "other"],
};

const named = (type: Type): readonly string[] =>
  Object.entries(variables).flatMap(([name, its]) => (its === type || type === "any" ? [name] : []));

const concrete: readonly Type[] = ["bool", "int", "uint", "double", "string", "timestamp", "duration", "ints", "strings", "map"];

/** Mostly of the types that each operation takes; one hole in thirty holds an expression of another, and so do variables. */
export const expressions: fc.Arbitrary<string> = fc.letrec<Record<Type, string>>((tie) => {
  const holes = (form: string): fc.Arbitrary<string> => {
    const parts = form.split(/\$([a-z]+)/);
    const arbitraries = parts.map((part, at): fc.Arbitrary<string> => {
      if (at % 2 === 0) return fc.constant(part);
      return fc.oneof({ arbitrary: tie(part as Type), weight: 29 }, { arbitrary: tie("any"), weight: 1 });
    });
    return fc.tuple(...arbitraries).map((filled) => filled.join(""));
  };
  const of = (type: Type): fc.Arbitrary<string> => {
    const simple = [...named(type), ...(type in literals ? literals[type as keyof typeof literals] : [])];
    const others = type === "any" ? concrete.map((each) => ({ arbitrary: tie(each), weight: 1 })) : [];
    const choice = {
      arbitrary: fc.tuple(tie("bool"), tie(type), tie(type)).map((parts) => `(${parts[0]} ? ${parts[1]} : ${parts[2]})`),
      weight: 1,
    };
    return fc.oneof(
      { maxDepth: 6, depthSize: "medium", depthIdentifier: "expression" },
      { arbitrary: fc.constantFrom(...simple), weight: 2 },
      { arbitrary: fc.oneof(...forms[type].map(holes)), weight: 6 },
      choice,
      ...others,
    );
  };
  return Object.fromEntries([...concrete, "any" as const].map((type) => [type, of(type)])) as Record<Type, fc.Arbitrary<string>>;
}).any;

/** As what is judged with gets it. */
export function inputOf(value: Value): CelInput {
  switch (value.type) {
    case "null":
      return null;
    case "uint":
      return celUint(value.value);
    case "list":
      return celList(value.value.map(inputOf));
    case "map":
      return recordOf(
        new Map(value.value.map(([key, each]) => [String((key as { readonly value: unknown }).value), inputOf(each)])),
      );
    case "timestamp":
      return { $typeName: "google.protobuf.Timestamp", ...split(value.value, false) };
    case "duration":
      return { $typeName: "google.protobuf.Duration", ...split(value.value, true) };
    default:
      return value.value;
  }
}

/** The nanoseconds of a time count forward; those of a duration have its sign. */
function split(ns: bigint, isSigned: boolean): Pick<Timestamp, "seconds" | "nanos"> {
  const rest = isSigned ? ns % secondNs : ((ns % secondNs) + secondNs) % secondNs;
  return { seconds: (ns - rest) / secondNs, nanos: Number(rest) };
}

const joined = ({ seconds, nanos }: Pick<Timestamp, "seconds" | "nanos">): bigint => seconds * secondNs + BigInt(nanos);

/** One text for each value, whatever it is made of; the entries of a map have no order. */
export function textOf(outcome: Outcome): string {
  switch (outcome.type) {
    case "failure":
      return "error";
    case "null":
      return "null";
    case "list":
      return `[${outcome.value.map(textOf).join(", ")}]`;
    case "map":
      return `{${outcome.value
        .map(([key, value]) => `${textOf(key)}: ${textOf(value)}`)
        .sort()
        .join(", ")}}`;
    case "string":
      return quoted(outcome.value);
    default:
      return `${outcome.type} ${Object.is(outcome.value, -0) ? "-0" : outcome.value}`;
  }
}

/** The same of what is judged with. */
export function textOfCel(value: CelValue): string {
  if (isCelList(value)) return `[${[...value].map(textOfCel).join(", ")}]`;
  if (isCelMap(value))
    return `{${[...value]
      .map(([key, each]) => `${textOfCel(key)}: ${textOfCel(each)}`)
      .sort()
      .join(", ")}}`;
  if (isCelUint(value)) return textOf({ type: "uint", value: value.value });
  if (isReflectMessage(value)) {
    const { message } = value;
    if (isMessage(message, TimestampSchema)) return textOf({ type: "timestamp", value: joined(message) });
    if (isMessage(message, DurationSchema)) return textOf({ type: "duration", value: joined(message) });
  }
  switch (typeof value) {
    case "bigint":
      return textOf({ type: "int", value });
    case "number":
      return textOf({ type: "double", value });
    case "boolean":
      return textOf({ type: "bool", value });
    case "string":
      return textOf({ type: "string", value });
    default:
      return value === null ? "null" : `unknown ${String(value)}`;
  }
}
