import { isCelError, plan } from "@bufbuild/cel";
import { assert } from "../../kernel/assert.ts";
import { nearest } from "../../kernel/nearest.ts";
import { type Purse, withinBudget } from "./budget.ts";
import { call, int, list, method, text } from "./build.ts";
import { type Problem, spellNames } from "./enum-names.ts";
import { meteredEnv } from "./environment.ts";
import {
  type Comprehension,
  children,
  type Expr,
  isBind,
  literalPattern,
  literalText,
  loopParts,
  qualifiedName,
  uses,
} from "./expr.ts";
import { noZoneText } from "./functions/time.ts";
import { conversionHint, type SaidTypes } from "./hints.ts";
import { foldCostMax } from "./limits.ts";
import { literalTime } from "./literal-time.ts";
import { macroForms } from "./macros.ts";
import { neverProblem } from "./only-values.ts";
import { compileCost, compileRegex } from "./regex.ts";
import { fieldOf, itemOf } from "./typing/fields.ts";
import { functionNames, mismatch, overloadsOf, resultOf } from "./typing/overloads.ts";
import {
  aType,
  type Fields,
  fits,
  isMap,
  isOpen,
  join,
  joinAll,
  keysOf,
  listOf,
  mapOf,
  mayEqual,
  optionalOf,
  type Type,
  types,
  valuesOf,
  valuesOnly,
} from "./typing/type.ts";

/** The variables an expression may use, with their types. */
export type Variables = Readonly<Record<string, Type>>;

/** A part without variables, as large as may be, and which problems were found within it. */
export type ConstantPart = { readonly expr: Expr; readonly problems: readonly Problem[] };

type Checked = {
  readonly typeOf: (expr: Expr) => Type;
  /** Of names for single values, as evaluation calls their types. */
  readonly said: SaidTypes;
  readonly problems: readonly Problem[];
  /** Names that do not exist, and what is not used as it can be: it cannot even be planned. */
  readonly isPlannable: boolean;
  readonly constants: readonly ConstantPart[];
  /** What evaluating these may cost. */
  readonly purse: Purse;
};

/** `literals`: the elements that a loop goes through, as far as they stand in the expression and this is all that is done with them. */
type Local = { readonly type: Type; readonly depth: number; readonly literals: readonly Expr[] };

/** `depth`: how many loops and bindings are around. */
type Scope = {
  readonly variables: Variables;
  readonly locals: ReadonlyMap<string, Local>;
  readonly depth: number;
  readonly found: Found;
};

type Found = {
  readonly types: Map<Expr, Type>;
  readonly problems: Problem[];
  readonly constants: { readonly expr: Expr; readonly from: number; readonly to: number }[];
  readonly purse: Purse;
  isPlannable: boolean;
};

/** `reads`: the depth of the outermost variable that it needs. `computes`: it is more than a literal. */
type Typed = { readonly type: Type; readonly reads: number; readonly computes: boolean };

const constantly = (type: Type): Typed => ({ type, reads: Number.POSITIVE_INFINITY, computes: false });

/**
 * Finds the type of each part, and what can never be evaluated: names that do not exist, operands of the wrong type. In place, it gives names of
 * enums the spelling that values have, and indexes of fields and qualified functions the form that is evaluated.
 */
export function check(expr: Expr, variables: Variables): Checked {
  const found: Found = { types: new Map(), problems: [], constants: [], purse: { left: foldCostMax }, isPlannable: true };
  visit(expr, { variables, locals: new Map(), depth: 0, found });
  const constants = found.constants.map(({ expr: part, from, to }) => ({ expr: part, problems: found.problems.slice(from, to) }));
  const { problems, isPlannable, purse, types: known } = found;
  const said = [...known].filter(([part, { kind }]) => singleKinds.has(kind) && qualifiedName(part) !== undefined);
  return {
    typeOf: (part) => known.get(part) ?? types.dyn,
    said: new Map(said.map(([{ id }, type]) => [id, type])),
    problems,
    isPlannable,
    constants,
    purse,
  };
}

const singleKinds = new Set<Type["kind"]>(["bool", "double", "enum", "int", "string"]);

function visit(expr: Expr, scope: Scope): Typed {
  indexToField(expr, scope);
  qualify(expr, scope);
  const { problems, constants, types: known } = scope.found;
  const [firstProblem, firstConstant] = [problems.length, constants.length];
  const typed = visitKind(expr, scope);
  known.set(expr, typed.type);
  if (typed.reads > scope.depth && typed.computes) {
    constants.length = firstConstant;
    constants.push({ expr, from: firstProblem, to: problems.length });
  }
  return typed;
}

/** Of all parts together. */
const readsOf = (parts: readonly Typed[]): number => Math.min(Number.POSITIVE_INFINITY, ...parts.map(({ reads }) => reads));

function visitKind(expr: Expr, scope: Scope): Typed {
  const { exprKind } = expr;
  switch (exprKind.case) {
    case "constExpr":
      if (!isInRange(exprKind.value)) cannotBe(expr, "number out of range", scope);
      return constantTypes[exprKind.value.constantKind.case ?? "nullValue"] ?? constantly(types.dyn);
    case "identExpr":
      return identifier(expr, exprKind.value.name.replace(/^\./, ""), scope);
    case "selectExpr":
      return selection(expr, exprKind.value, scope);
    case "listExpr": {
      const elements = exprKind.value.elements.map((element) => visit(element, scope));
      const { optionalIndices } = exprKind.value;
      const held = elements.map(({ type }, at) =>
        optionalIndices.includes(at) ? demanded(exprKind.value.elements[at], type, scope) : type,
      );
      const computes = optionalIndices.length > 0 || elements.some((each) => each.computes);
      return { type: listOf(joinAll(held)), reads: readsOf(elements), computes };
    }
    case "structExpr":
      return struct(expr, exprKind.value, scope);
    case "comprehensionExpr":
      return isBind(exprKind.value) ? binding(exprKind.value, scope) : loop(exprKind.value, scope);
    default:
      assert(exprKind.case === "callExpr", "a parsed expression has one of these kinds");
      return calling(expr, exprKind.value, scope);
  }
}

const constantTypes: Readonly<Record<string, Typed>> = {
  boolValue: constantly(types.bool),
  bytesValue: constantly(types.bytes),
  doubleValue: constantly(types.double),
  int64Value: constantly(types.int),
  nullValue: constantly(types.null),
  stringValue: constantly(types.string),
  uint64Value: constantly(types.uint),
};

/** A name that does not exist, or is not used as it can be. */
function cannotBe(expr: Expr, message: string, { found }: Scope, hint?: () => string): void {
  found.isPlannable = false;
  found.problems.push({ expr, message, hint });
}

/** It can be evaluated, and fails. */
function wouldFail(expr: Expr, message: string, { found }: Scope, hint?: () => string): void {
  found.problems.push({ expr, message, hint });
}

/** `workflow["state"]` is `workflow.state`, and all that is known of the one holds for the other. In place; it stands where the name does. */
function indexToField(expr: Expr, scope: Scope): void {
  if (expr.exprKind.case !== "callExpr" || expr.exprKind.value.function !== "_[_]") return;
  const [operand, index] = expr.exprKind.value.args;
  const field = index && literalText(index);
  if (operand === undefined || index === undefined || field === undefined || fieldsOf(operand, scope) === undefined) return;
  const value = { $typeName: "cel.expr.Expr.Select" as const, operand, field, testOnly: false };
  expr.id = index.id;
  expr.exprKind = { case: "selectExpr", value };
}

/** Of a variable whose fields are known. */
function fieldsOf(expr: Expr, { variables, locals }: Scope): Fields | undefined {
  const name = expr.exprKind.case === "identExpr" ? (qualifiedName(expr) ?? "") : "";
  const type = locals.has(name) || !Object.hasOwn(variables, name) ? undefined : variables[name];
  return type?.kind === "record" ? type.fields : undefined;
}

/** `math.abs(x)` is a call of `math.abs`, not of a method of a variable `math`. In place. */
function qualify({ exprKind }: Expr, { variables, locals }: Scope): void {
  if (exprKind.case !== "callExpr" || exprKind.value.target === undefined) return;
  const space = qualifiedName(exprKind.value.target) ?? "";
  if (!namespaces.has(space) || locals.has(space) || Object.hasOwn(variables, space)) return;
  const { function: name, args } = exprKind.value;
  const { id } = exprKind.value.target;
  // These take any number of arguments.
  const listed = space === "math" && (name === "greatest" || name === "least") && args.length > 1;
  exprKind.value = { $typeName: exprKind.value.$typeName, function: `${space}.${name}`, args: listed ? [list(id, args)] : args };
}

const namespaces = new Set(["base64", "cel", "lists", "math", "optional", "sets", "strings"]);

function isInRange({ constantKind }: Extract<Expr["exprKind"], { case: "constExpr" }>["value"]): boolean {
  const { value } = constantKind;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "bigint") return true;
  return value === (constantKind.case === "int64Value" ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value));
}

const typeNames = new Set([
  "bool",
  "bytes",
  "double",
  "int",
  "list",
  "map",
  "null_type",
  "optional_type",
  "string",
  "type",
  "uint",
]);

function identifier(expr: Expr, name: string, scope: Scope): Typed {
  const { variables, locals } = scope;
  const local = locals.get(name);
  if (local !== undefined) return { type: local.type, reads: local.depth, computes: false };
  const type = Object.hasOwn(variables, name) ? variables[name] : undefined;
  if (type !== undefined) return { type, reads: 0, computes: false };
  if (typeNames.has(name)) return constantly(types.type);
  const known = [...Object.keys(variables), ...[...locals.keys()].filter((each) => /^\w/.test(each))];
  cannotBe(expr, `unknown variable "${name}"`, scope, () => {
    if (isNameOfEnum(name, variables)) return `; a text stands in quotes: "${name}"`;
    return suggestion(nearest(name, known), `; known: ${known.join(", ")}`);
  });
  return { type: types.dyn, reads: 0, computes: false };
}

const suggestion = (meant: string | undefined, otherwise: string): string =>
  meant === undefined ? otherwise : `; did you mean "${meant}"?`;

/** Of the variables, or of their fields. */
const isNameOfEnum = (name: string, variables: Variables): boolean =>
  Object.values(variables).some((type) =>
    type.kind === "record" ? isNameOfEnum(name, type.fields) : type.kind === "enum" && type.names.has(name),
  );

type Select = Extract<Expr["exprKind"], { case: "selectExpr" }>["value"];

function selection(expr: Expr, { operand, field, testOnly }: Select, scope: Scope): Typed {
  if (operand === undefined || meteredEnv.registry.getMessage(qualifiedName(expr) ?? "") !== undefined)
    return constantly(types.type);
  const { type, reads } = visit(operand, scope);
  const selected = knownField(expr, operand, type, field, scope);
  return { type: testOnly ? types.bool : selected, reads, computes: true };
}

function knownField(expr: Expr, operand: Expr, type: Type, field: string, scope: Scope): Type {
  const selected = fieldOf(type, field, qualifiedName(operand));
  if (selected.ok) return selected.value;
  wouldFail(expr, selected.error.message, scope, selected.error.hint);
  return types.dyn;
}

/** What stands after `?` in a list or a map. */
function demanded(expr: Expr | undefined, type: Type, scope: Scope): Type {
  if (type.kind === "optional") return type.value;
  if (!isOpen(type) && expr !== undefined) wouldFail(expr, `after "?" stands an optional value, not ${aType(type)}`, scope);
  return types.dyn;
}

type Struct = Extract<Expr["exprKind"], { case: "structExpr" }>["value"];

const messageTypes: Readonly<Record<string, Type>> = {
  "google.protobuf.Timestamp": types.timestamp,
  "google.protobuf.Duration": types.duration,
};

function struct(expr: Expr, { messageName, entries }: Struct, scope: Scope): Typed {
  const message = messageName.replace(/^\./, "");
  if (message !== "") checkMessage(expr, message, entries, scope);
  const parts = entries.map(({ keyKind, value, optionalEntry }) => {
    const key = keyKind.case === "mapKey" ? visit(keyKind.value, scope) : constantly(types.string);
    const typed = value === undefined ? constantly(types.dyn) : visit(value, scope);
    const held = optionalEntry && message === "" ? demanded(value, typed.type, scope) : typed.type;
    return { key, typed, held };
  });
  const type = mapOf(joinAll(parts.map(({ key }) => key.type)), joinAll(parts.map(({ held }) => held)));
  const reads = readsOf(parts.flatMap(({ key, typed }) => [key, typed]));
  return { type: message === "" ? type : (messageTypes[message] ?? types.dyn), reads, computes: entries.length > 0 };
}

function checkMessage(expr: Expr, message: string, entries: Struct["entries"], scope: Scope): void {
  if (entries.some(({ optionalEntry }) => optionalEntry)) cannotBe(expr, "fields of messages are not optional", scope);
  else if (meteredEnv.registry.getMessage(message) === undefined || message === "optional_type")
    cannotBe(expr, `unknown type "${message}"`, scope);
}

/** A name for a value is as much as the value. */
function binding({ accuInit, accuVar, result }: Comprehension, scope: Scope): Typed {
  assert(accuInit && result, "a parsed binding is complete");
  const value = visit(accuInit, scope);
  const literals = uses(result, accuVar) === 1 ? literalsIn(accuInit) : [];
  const depth = scope.depth + 1;
  const inner = visit(result, {
    ...scope,
    depth,
    locals: new Map([...scope.locals, [accuVar, { type: value.type, depth, literals }]]),
  });
  return { type: inner.type, reads: outside(scope, [value, inner]), computes: true };
}

/** Of what is read within, only what is of the outside. */
function outside({ depth }: Scope, parts: readonly Typed[]): number {
  const reads = readsOf(parts);
  return reads > depth ? Number.POSITIVE_INFINITY : reads;
}

function loop(comprehension: Comprehension, scope: Scope): Typed {
  const { iterRange, accuInit, iterVar, iterVar2, accuVar, loopCondition, loopStep, result } = comprehension;
  assert(iterRange && accuInit && loopStep && loopCondition && result, "a parsed loop is complete");
  const [range, init] = [visit(iterRange, scope), visit(accuInit, scope)];
  const [first, second] = elementsOf(iterRange, range.type, iterVar2 !== "", scope);
  const depth = scope.depth + 1;
  const local = (type: Type, literals: readonly Expr[] = []): Local => ({ type, depth, literals });
  // Of two variables, the first one of a list is the index.
  const element = iterVar2 === "" ? iterVar : iterVar2;
  // Used twice, an element may be compared with an enum and with something else.
  const usedOnce = loopParts(comprehension).reduce((sum, part) => sum + uses(part, element), 0) === 1;
  const elements =
    usedOnce && iterRange.exprKind.case === "listExpr" ? iterRange.exprKind.value.elements.flatMap(literalsIn) : [];
  const within = (accumulated: Type): Scope => ({
    ...scope,
    depth,
    locals: new Map([
      ...scope.locals,
      [accuVar, local(accumulated)],
      [iterVar, local(first, iterVar2 === "" ? elements : [])],
      ...(iterVar2 === "" ? [] : [[iterVar2, local(second, elements)] as const]),
    ]),
  });
  const step = visit(loopStep, within(init.type));
  const ends = within(join(init.type, step.type));
  const condition = visit(loopCondition, ends);
  const end = visit(result, ends);
  return { type: end.type, reads: outside(scope, [range, init, step, condition, end]), computes: true };
}

/** The types of the variables of a loop. */
function elementsOf(expr: Expr, range: Type, hasTwo: boolean, scope: Scope): readonly [Type, Type] {
  if (range.kind === "list") return hasTwo ? [types.int, openly(range.element)] : [openly(range.element), types.dyn];
  if (isMap(range)) return [openly(keysOf(range)), openly(valuesOf(range))];
  if (!isOpen(range)) wouldFail(expr, `a loop goes through a list or a map, not ${aType(range)}`, scope);
  return [types.dyn, types.dyn];
}

/** Of nothing, everything may be asked. */
const openly = (type: Type): Type => (type.kind === "none" ? types.dyn : type);

/** The literals that a value is one of: those of both branches of a condition. */
function literalsIn(expr: Expr): readonly Expr[] {
  const { exprKind } = expr;
  if (exprKind.case === "constExpr") return [expr];
  return exprKind.case === "callExpr" && exprKind.value.function === "_?_:_"
    ? exprKind.value.args.slice(1).flatMap(literalsIn)
    : [];
}

type Call = Extract<Expr["exprKind"], { case: "callExpr" }>["value"];

function calling(expr: Expr, { function: name, target, args }: Call, scope: Scope): Typed {
  if (Object.hasOwn(macroForms, name)) {
    cannotBe(expr, `"${name}" is used as ${macroForms[name]}`, scope);
    return { type: types.dyn, reads: 0, computes: false };
  }
  const isKnown = builtIn.has(name) || overloadsOf(name).length > 0;
  const of = target && visit(target, scope);
  const typed = args.map((arg) => visit(arg, isKnown ? scope : withinUnknown(args, scope)));
  const operands = of === undefined ? typed : [of, ...typed];
  const type = callType(expr, { name, target, args, of: of?.type, given: typed.map((each) => each.type) }, scope);
  const pattern = regexProblem(literalPattern(expr));
  if (pattern !== undefined) cannotBe(expr, pattern, scope);
  return { type, reads: readsOf(operands), computes: true };
}

/** What is no macro, but was meant to be one, has a variable. */
function withinUnknown([first, ...others]: readonly Expr[], scope: Scope): Scope {
  if (first?.exprKind.case !== "identExpr" || others.length === 0) return scope;
  const { name } = first.exprKind.value;
  return { ...scope, locals: new Map([...scope.locals, [name, { type: types.dyn, depth: 0, literals: [] }]]) };
}

type Operands = {
  readonly name: string;
  readonly target: Expr | undefined;
  readonly args: readonly Expr[];
  readonly of: Type | undefined;
  readonly given: readonly Type[];
};

/** Evaluated by the library itself, not as functions. */
const builtIn = new Set(["_[_]", "_[?_]", "_?._", "_?_:_", "_&&_", "_||_", "@not_strictly_false"]);

function callType(expr: Expr, operands: Operands, scope: Scope): Type {
  const { name, args, given } = operands;
  const [left, right] = args;
  switch (name) {
    case "_&&_":
    case "_||_":
    case "!_":
      for (const [at, arg] of args.entries()) checkBool(arg, given[at] ?? types.dyn, scope);
      return types.bool;
    case "@not_strictly_false":
      return types.bool;
    case "_?_:_":
      if (left !== undefined) checkBool(left, given[0] ?? types.dyn, scope);
      return joinAll(given.slice(1));
    case "_[_]":
    case "_[?_]":
    case "_?._":
      return left === undefined || right === undefined ? types.dyn : item(expr, { ...operands, left, right }, scope);
    case "_==_":
    case "_!=_":
    case "@in":
      return left === undefined || right === undefined ? types.dyn : equality(expr, { ...operands, left, right }, scope);
    default:
      return functionType(expr, operands, scope);
  }
}

function checkBool(expr: Expr, type: Type, scope: Scope): void {
  if (!fits(type, types.bool)) wouldFail(expr, `this is ${aType(type)}, and not a condition`, scope);
}

/** `a[b]`, `a[?b]`, `a.?b` */
function item(expr: Expr, { name, left, right, given }: Operands & { left: Expr; right: Expr }, scope: Scope): Type {
  const [container = types.dyn, index = types.dyn] = given;
  const field = literalText(right);
  if (field !== undefined && (name === "_?._" || container.kind === "record"))
    return optionally(name, knownField(right, left, container, field, scope));
  const found = itemOf(container, index, qualifiedName(left));
  if (!found.ok) wouldFail(expr, found.error, scope);
  spell(right, keysIn(left), scope);
  return found.ok ? optionally(name, found.value) : types.dyn;
}

/** Of a map that stands in the expression. */
const keysIn = ({ exprKind }: Expr): readonly Expr[] =>
  exprKind.case === "structExpr"
    ? exprKind.value.entries.flatMap(({ keyKind }) => (keyKind.case === "mapKey" ? [keyKind.value] : []))
    : [];

/** Of an optional value, all that is in it is optional already. */
const optionally = (name: string, type: Type): Type => (name === "_[_]" || type.kind === "optional" ? type : optionalOf(type));

/** What never is equal. */
function equality(expr: Expr, operands: Operands & { left: Expr; right: Expr }, scope: Scope): Type {
  const { name, left, right, given, args } = operands;
  const [one = types.dyn, other = types.dyn] = given;
  if (name !== "@in") {
    if (!spell(left, [right], scope) && !mayEqual(one, other)) {
      wouldFail(expr, `${aType(one)} is never equal to ${aType(other)}`, scope, () => conversionHint(name, args, given));
    }
    return types.bool;
  }
  const field = literalText(left);
  if (field !== undefined && other.kind === "record") knownField(left, right, other, field, scope);
  if (spell(left, right.exprKind.case === "listExpr" ? right.exprKind.value.elements : keysIn(right), scope)) return types.bool;
  const elements = other.kind === "list" ? other.element : isMap(other) ? keysOf(other) : types.dyn;
  if (!isOpen(other) && other.kind !== "list" && !isMap(other)) {
    wouldFail(expr, `"in" looks into a list or a map, not into ${aType(other)}`, scope, () =>
      fits(other, types.string) ? "; a text that has another is text.contains(other)" : "",
    );
  } else if (!mayEqual(one, elements)) wouldFail(expr, `${aType(one)} is never in ${aType(other)}`, scope);
  return types.bool;
}

/** See `spellNames` and `neverProblem`. True: there was a problem. */
function spell(left: Expr, others: readonly Expr[], scope: Scope): boolean {
  const { types: known, problems } = scope.found;
  const literalsOf = (each: Expr) => scope.locals.get(qualifiedName(each) ?? "")?.literals ?? literalsIn(each);
  const namesOf = (each: Expr) => {
    const type = known.get(each);
    return type?.kind === "enum" ? type.names : undefined;
  };
  const problem =
    spellNames(left, others, { namesOf, literalsOf }) ??
    neverProblem(left, others, { valuesOf: (each) => valuesOnly(known.get(each)), literalsOf });
  if (problem !== undefined) problems.push(problem);
  return problem !== undefined;
}

function functionType(expr: Expr, { name, target, args, of, given }: Operands, scope: Scope): Type {
  const wrong = formProblem(name, target !== undefined, args.length);
  if (wrong !== undefined) {
    cannotBe(expr, wrong.message, scope, wrong.hint);
    return types.dyn;
  }
  const unreadable = unreadableProblem(expr, name, args);
  if (unreadable !== undefined) cannotBe(expr, unreadable, scope);
  const type = resultOf(name, of, given);
  if (type === undefined) {
    wouldFail(expr, mismatch(name, of, given), scope, () => conversionHint(name, args, given));
    return openly(joinAll(overloadsOf(name).map(({ result }) => result)));
  }
  if (of?.kind === "timestamp") checkZone(name, args, scope);
  return type;
}

function formProblem(
  name: string,
  isMethod: boolean,
  count: number,
): { readonly message: string; readonly hint?: () => string } | undefined {
  const overloads = overloadsOf(name);
  if (overloads.length === 0) return { message: `unknown function "${name}"`, hint: () => meantFunction(name) };
  const ofKind = overloads.filter((overload) => (overload.target !== undefined) === isMethod);
  if (ofKind.length === 0) {
    return { message: isMethod ? `"${name}" is a function, not a method: ${name}(…)` : `"${name}" is a method: x.${name}(…)` };
  }
  if (ofKind.some((overload) => overload.args.length === count)) return undefined;
  const counts = [...new Set(ofKind.map((overload) => overload.args.length))].sort();
  return { message: `"${name}" takes ${counts.join(" or ")} argument${counts.join() === "1" ? "" : "s"}, not ${count}` };
}

/** As other languages call them. */
const otherWords: Readonly<Record<string, string>> = {
  any: "exists",
  some: "exists",
  every: "all",
  includes: "contains",
  length: "size",
  len: "size",
  count: "size",
  float: "double",
  str: "string",
  toString: "string",
  toLowerCase: "lowerAscii",
  lower: "lowerAscii",
  toUpperCase: "upperAscii",
  upper: "upperAscii",
  regex: "matches",
  getYear: "getFullYear",
  getDay: "getDayOfWeek",
};

function meantFunction(name: string): string {
  const known = [...functionNames, ...Object.keys(macroForms)];
  return suggestion((Object.hasOwn(otherWords, name) ? otherWords[name] : undefined) ?? nearest(name, known), "");
}

/** How what is read from a text has to be written. */
const readable: Readonly<Record<string, string>> = {
  timestamp: '"2026-01-31T09:30:00Z"',
  duration: '"1h30m"',
};

/** A literal that cannot be read would fail each time anew. */
function unreadableProblem(expr: Expr, name: string, args: readonly Expr[]): string | undefined {
  const literal = args[0] && literalText(args[0]);
  if (literal === undefined || !Object.hasOwn(readable, name)) return undefined;
  return literalTime(expr) === undefined ? `${JSON.stringify(literal)} is no ${name} such as ${readable[name]}` : undefined;
}

/** A literal zone, as some time has it. */
function checkZone(name: string, [zone]: readonly Expr[], scope: Scope): void {
  const { purse } = scope.found;
  const literal = zone && literalText(zone);
  if (zone === undefined || literal === undefined || purse.left < 0) return;
  const { id } = zone;
  const asked = plan(meteredEnv, method(id, call(id, "timestamp", int(id, 0n)), name, text(id, literal)));
  const answer = withinBudget(purse, 0, () => asked({}));
  if (answer.ok && isCelError(answer.value)) {
    wouldFail(zone, noZoneText(literal), scope);
  }
}

function regexProblem(pattern: string | undefined): string | undefined {
  const regex = pattern === undefined ? undefined : compileRegex(pattern);
  return regex === undefined || regex.ok ? undefined : regex.error;
}

/** Of all its literal patterns. */
export function regexCost(expr: Expr): number {
  const pattern = literalPattern(expr);
  return children(expr).reduce((sum, child) => sum + regexCost(child), pattern === undefined ? 0 : compileCost(pattern));
}
