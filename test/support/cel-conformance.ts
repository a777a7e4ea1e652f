import { type CelInput, celList, celMap, celUint, isCelError, isCelList, isCelMap, isCelType, isCelUint } from "@bufbuild/cel";
import type { Type as DeclaredType } from "@bufbuild/cel-spec/cel/expr/checked_pb.js";
import type { Value } from "@bufbuild/cel-spec/cel/expr/value_pb.js";
import type { IncrementalTestSuite } from "@bufbuild/cel-spec/testdata/tests.js";
import { createRegistry, toJsonString } from "@bufbuild/protobuf";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import { anyUnpack, DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { check } from "../../src/predicate/core/check.ts";
import { compile, type Variables } from "../../src/predicate/core/compile.ts";
import { evaluate } from "../../src/predicate/core/evaluate.ts";
import { parse } from "../../src/predicate/core/parse.ts";
import { listOf, mapOf, optionalOf, type Type, types, typeText } from "../../src/predicate/core/typing/type.ts";

type Case = IncrementalTestSuite["tests"][number]["original"];

/** Each case with the path of its suites. */
export function casesOf(suite: IncrementalTestSuite, path: string): readonly (readonly [string, Case])[] {
  return [
    ...suite.tests.map(({ name, original }) => [path + name, original] as const),
    ...suite.suites.flatMap((each) => casesOf(each, `${path}${each.name}/`)),
  ];
}

/** Rules see no messages but the well-known ones, have no packages to be in, and cannot switch macros off. */
export function isComparable({ expr, bindings, container, checkOnly, disableMacros }: Case): boolean {
  const known = Object.values(bindings).every(({ kind }) => kind.case === "value" && inputOf(kind.value) !== undefined);
  const types = /TestAllTypes|GlobalEnum|proto[23]\.|\bmsg\.|\bfn\(/;
  return container === "" && !checkOnly && !disableMacros && known && !types.test(expr);
}

/** What is wrong: nothing, if Concord compiles and evaluates it to what the specification says. */
export function failureOf({ expr, bindings, typeEnv, resultMatcher }: Case): string | undefined {
  const outcome = outcomeOf(expr, bindings, typeEnv);
  const expected = expectedOf(resultMatcher);
  return outcome.startsWith(expected) ? undefined : `${outcome}, not ${expected}`;
}

/** The values of the variables of a case. */
export function inputsOf(bindings: Case["bindings"]): Record<string, CelInput> {
  const inputs = Object.entries(bindings).map(([name, { kind }]) => [name, inputOf(kind.value as Value)] as const);
  return Object.fromEntries(inputs) as Record<string, CelInput>;
}

function outcomeOf(expr: string, bindings: Case["bindings"], typeEnv: Case["typeEnv"]): string {
  const inputs = inputsOf(bindings);
  const compiled = compile(expr, {
    ...Object.fromEntries(Object.keys(inputs).map((name) => [name, types.dyn])),
    ...declaredIn(typeEnv),
  });
  // What does not exist is no error of the kind that a case expects.
  if (!compiled.ok) return `${/unknown function/.test(compiled.error.message) ? "refused" : "error"}: ${compiled.error.message}`;
  const result = evaluate(compiled.value, inputs, { left: 1_000_000 });
  return result.ok ? describe(result.value) : `error: ${result.error}`;
}

/** The variables of a case, with their types. */
function declaredIn(typeEnv: Case["typeEnv"]): Variables {
  return Object.fromEntries(
    typeEnv.flatMap(({ name, declKind }) => (declKind.case === "ident" ? [[name, typeOf(declKind.value.type)]] : [])),
  );
}

function typeOf(type: DeclaredType | undefined): Type {
  const kind = type?.typeKind;
  switch (kind?.case) {
    case "null":
      return types.null;
    case "primitive":
      return [types.dyn, types.bool, types.int, types.uint, types.double, types.string, types.bytes][kind.value] ?? types.dyn;
    case "wellKnown":
      return kind.value === 2 ? types.timestamp : kind.value === 3 ? types.duration : types.dyn;
    case "listType":
      return listOf(typeOf(kind.value.elemType));
    case "mapType":
      return mapOf(typeOf(kind.value.keyType), typeOf(kind.value.valueType));
    case "abstractType":
      return kind.value.name === "optional_type" ? optionalOf(typeOf(kind.value.parameterTypes[0])) : types.dyn;
    default:
      return types.dyn;
  }
}

/** What the type of a case is found to be, and what the specification says. Undefined: it says nothing. */
export function deductionOf({
  expr,
  typeEnv,
  resultMatcher,
}: Case): { readonly found: string; readonly said: string } | undefined {
  const parsed = parse(expr);
  if (resultMatcher.case !== "typedResult" || !parsed.ok) return undefined;
  const { typeOf: found, problems } = check(parsed.value.expr, declaredIn(typeEnv));
  return {
    found: problems[0]?.message ?? typeText(found(parsed.value.expr)),
    said: saidOf(resultMatcher.value.deducedType),
  };
}

/** Rules have no messages and no wrappers, so no name for their types. */
function saidOf(type: DeclaredType | undefined): string {
  const kind = type?.typeKind;
  if (kind?.case === "messageType" || kind?.case === "wrapper") return kind.case;
  return kind?.case === "listType" ? `list(${saidOf(kind.value.elemType)})` : typeText(typeOf(type));
}

function expectedOf(matcher: Case["resultMatcher"]): string {
  switch (matcher.case) {
    case "value":
      return describe(inputOf(matcher.value));
    case "typedResult":
      return matcher.value.result === undefined ? "" : describe(inputOf(matcher.value.result));
    case "evalError":
      return "error";
    default:
      return "true";
  }
}

const wellKnown = createRegistry(DurationSchema, TimestampSchema);

/** Undefined: it holds a message that is not well known. */
function inputOf({ kind }: Value): CelInput | undefined {
  switch (kind.case) {
    case "uint64Value":
      return celUint(kind.value);
    case "nullValue":
      return null;
    case "listValue": {
      const items = kind.value.values.map(inputOf);
      return items.includes(undefined) ? undefined : celList(items as CelInput[]);
    }
    case "mapValue": {
      const entries = kind.value.entries.map(({ key, value }) => [key && inputOf(key), value && inputOf(value)] as const);
      return entries.flat().includes(undefined) ? undefined : celMap(new Map(entries as [never, CelInput][]));
    }
    case "objectValue":
      return anyUnpack(kind.value, wellKnown) as CelInput | undefined;
    case "typeValue":
      return { typeValue: kind.value } as unknown as CelInput;
    case "enumValue":
    case undefined:
      return undefined;
    default:
      return kind.value;
  }
}

/** Equal texts, equal values of equal types. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (isCelUint(value)) return `${value.value}u`;
  if (isCelError(value)) return `error: ${value.message}`;
  if (isCelType(value)) return `type ${value.name}`;
  if (value instanceof Uint8Array) return `bytes ${[...value]}`;
  if (isCelList(value)) return `[${[...value].map(describe)}]`;
  if (isCelMap(value)) return `{${[...value].map(([key, item]) => `${describe(key)}: ${describe(item)}`).sort()}}`;
  if (isReflectMessage(value)) return `${value.desc.typeName} ${toJsonString(value.desc, value.message)}`;
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
      return `double ${Object.is(value, -0) ? "-0" : value}`;
    case "object":
      return describeObject(value);
    default:
      return String(value);
  }
}

function describeObject(value: object): string {
  if ("typeValue" in value) return `type ${value.typeValue}`;
  const schema = "$typeName" in value ? wellKnown.getMessage(String(value.$typeName)) : undefined;
  return schema === undefined ? JSON.stringify(value) : `${schema.typeName} ${toJsonString(schema, value as never)}`;
}
