// Breaks a module in one place at a time.
//
// - A guard is dropped: TRUE stands in its place. A condition of an IF is also never met, an arm of a CASE is never taken.
// - An update is dropped: what it assigns stays as it is. So is one path of an EXCEPT; a field of a record is what it is at first.
// - A constant of a comparison is changed: the comparison itself, a text, a number.
//
// Only in what the steps are made of: what Next uses. Types, the first state, fairness and properties are left alone.

import { outer, type Piece, piecesOf } from "./pieces.ts";
import { type Definition, type Module, moduleOf, type Token, usedBy } from "./tokens.ts";

export type Kind = "guard" | "update" | "comparison";

export type SpecMutant = {
  readonly kind: Kind;
  readonly module: string;
  readonly action: string;
  readonly line: number;
  /** What was there, and what is there now. Tells it from all others of its action. */
  readonly text: string;
  /** The whole module. */
  readonly source: string;
  readonly edit: Edit;
};

export type Edit = { readonly kind: Kind; readonly start: number; readonly end: number; readonly text: string };

export function mutantsOf(name: string, read: (module: string) => string): readonly SpecMutant[] {
  const module = moduleOf(name, read(name));
  const instances = new Map([...module.instances].map(([instance, of]) => [instance, moduleOf(of, read(of))]));
  const world: World = {
    module,
    instances,
    sets: [module, ...instances.values()].flatMap(setsOf),
    nulls: nullsOf(module),
  };
  const mutants: SpecMutant[] = [];
  const seen = new Set([module.source]);
  for (const used of usedBy(module, "Next")) {
    const definition = module.definitions.get(used);
    if (definition === undefined || used === "Next") continue;
    const texts = new Map<string, number>();
    for (const edit of editsOf(world, definition)) {
      const source = module.source.slice(0, edit.start) + edit.text + module.source.slice(edit.end);
      if (seen.has(source)) continue;
      seen.add(source);
      const was = oneLine(module.source.slice(edit.start, edit.end));
      const plain = `${contextOf(module.source, edit)}${was} => ${oneLine(edit.text) || "nothing"}`;
      const count = (texts.get(plain) ?? 0) + 1;
      texts.set(plain, count);
      mutants.push({
        kind: edit.kind,
        module: name,
        action: used,
        line: module.source.slice(0, edit.start).split("\n").length,
        text: count === 1 ? plain : `${plain} (${count})`,
        source,
        edit,
      });
    }
  }
  return mutants.toSorted((a, b) => a.line - b.line);
}

/** A comparison alone says little: the words before it, on its line. */
function contextOf(source: string, { start, end, kind }: Edit): string {
  if (kind !== "comparison") return "";
  const lineStart = source.lastIndexOf("\n", start) + 1;
  const lineEnd = source.indexOf("\n", end);
  return `[${oneLine(source.slice(lineStart, lineEnd))}] `;
}

const oneLine = (text: string): string =>
  text
    .replace(/\\\*[^\n]*/g, "")
    .replace(/\s+/g, " ")
    .trim();

type World = {
  readonly module: Module;
  readonly instances: ReadonlyMap<string, Module>;
  /** The sets of texts that the module writes down. */
  readonly sets: readonly (readonly string[])[];
  /** What the fields of records are at first. */
  readonly nulls: ReadonlyMap<string, string>;
};

function editsOf(world: World, definition: Definition): readonly Edit[] {
  const edits: Edit[] = [];
  collect(world, piecesOf(definition.body), edits);
  return [...edits, ...forgotten(world, definition.body), ...comparisons(world, definition.body)];
}

function collect(world: World, piece: Piece, edits: Edit[]): void {
  const { role, tokens, parts } = piece;
  const replace = (kind: Kind, text: string): void => {
    const [first] = tokens;
    const last = tokens.at(-1);
    if (first && last) edits.push({ kind, start: first.start, end: last.end, text });
  };
  const assigned = [...assignedBy(world, piece)];
  const isUnchanged = tokens[0]?.text === "UNCHANGED";
  if (assigned.length > 0) {
    const isDropped = role === "conjunct" || (role === "whole" && parts.length === 0);
    if (isDropped && !isUnchanged) replace("update", `UNCHANGED <<${assigned.sort().join(", ")}>>`);
  } else {
    if (role === "conjunct" || role === "condition") replace("guard", "TRUE");
    if (role === "condition" || role === "arm") replace("guard", "FALSE");
  }
  for (const part of parts) collect(world, part, edits);
}

/** The variables whose next value a piece says. */
function assignedBy(world: World, piece: Piece): ReadonlySet<string> {
  if (piece.parts.length > 0) return new Set(piece.parts.flatMap((part) => [...assignedBy(world, part)]));
  return assignedIn(world.module, piece.tokens, world.instances);
}

function assignedIn(module: Module, tokens: readonly Token[], instances: ReadonlyMap<string, Module>): ReadonlySet<string> {
  const [first, second, third] = tokens;
  if (first === undefined) return new Set();
  if (first.text === "UNCHANGED") return new Set(tokens.slice(1).flatMap(({ text }) => variablesIn(module, text)));
  if (second?.text === "'" && module.variables.has(first.text)) {
    return third?.text === "=" || third?.text === "\\in" ? new Set([first.text]) : new Set();
  }
  const instance = second?.text === "!" ? instances.get(first.text) : undefined;
  if (instance !== undefined) {
    const inner = assignedByDefinition(instance, third?.text ?? "", new Map());
    return new Set([...inner].filter((name) => module.variables.has(name)));
  }
  // A call, with nothing after it.
  const calls = outer(tokens).every((index) => index === 0 || /^[()]$/.test(tokens[index]?.text ?? ""));
  return calls ? assignedByDefinition(module, first.text, instances) : new Set();
}

function assignedByDefinition(module: Module, name: string, instances: ReadonlyMap<string, Module>): ReadonlySet<string> {
  const definition = module.definitions.get(name);
  if (definition === undefined) return new Set();
  return assignedBy({ module, instances, sets: [], nulls: new Map() }, piecesOf(definition.body));
}

/** A tuple of variables may have a name. */
function variablesIn(module: Module, name: string): readonly string[] {
  if (module.variables.has(name)) return [name];
  const body = module.definitions.get(name)?.body ?? [];
  return body[0]?.text === "<<" ? body.flatMap(({ text }) => variablesIn(module, text)) : [];
}

const brackets: ReadonlyMap<string, string> = new Map([
  ["[", "]"],
  ["{", "}"],
  ["<<", ">>"],
]);

/** Where the bracket that opens at `from` closes. */
function closes(tokens: readonly Token[], from: number): number {
  const within = tokens.slice(from);
  return from + (outer(within)[1] ?? within.length - 1);
}

/** The paths of an EXCEPT that are not taken, and the fields of a record that are not set. */
function forgotten(world: World, body: readonly Token[]): readonly Edit[] {
  const edits: Edit[] = [];
  for (const [index, token] of body.entries()) {
    if (token.text !== "[") continue;
    const end = closes(body, index);
    const inner = body.slice(index + 1, end);
    const tops = outer(inner);
    const except = tops.find((at) => inner[at]?.text === "EXCEPT");
    const commas = tops.filter((at) => inner[at]?.text === ",");
    const closing = body[end];
    if (closing === undefined) continue;
    if (except !== undefined) edits.push(...pathsDropped(world, inner, except, commas, token, closing));
    else edits.push(...fieldsDropped(world, inner, commas));
  }
  return edits;
}

function pathsDropped(
  world: World,
  inner: readonly Token[],
  except: number,
  commas: readonly number[],
  open: Token,
  close: Token,
): readonly Edit[] {
  const base = world.module.source.slice(inner[0]?.start, inner[except]?.start).trim();
  // All of a variable's update is dropped as a conjunct.
  if (commas.length === 0) {
    const isWhole = world.module.variables.has(base);
    return isWhole ? [] : [{ kind: "update", start: open.start, end: close.end, text: base }];
  }
  return [except, ...commas].flatMap((from, at) => {
    const until = commas[at];
    const first = inner[from + 1];
    const last = until === undefined ? inner.at(-1) : inner[until];
    if (first === undefined || last === undefined) return [];
    // The last one takes the comma before it along.
    const start = until === undefined ? (inner[from]?.start ?? first.start) : first.start;
    return [{ kind: "update" as const, start, end: last.end, text: "" }];
  });
}

function fieldsDropped(world: World, inner: readonly Token[], commas: readonly number[]): readonly Edit[] {
  return [-1, ...commas].flatMap((from, at) => {
    const field = inner[from + 1];
    const value = inner.slice(from + 3, commas[at] ?? inner.length);
    const none = field && world.nulls.get(field.text);
    const [first] = value;
    const last = value.at(-1);
    if (inner[from + 2]?.text !== "|->" || none === undefined || first === undefined || last === undefined) return [];
    if (value.length === 1 && first.kind !== "word") return [];
    if (world.module.source.slice(first.start, last.end) === none) return [];
    return [{ kind: "update" as const, start: first.start, end: last.end, text: none }];
  });
}

/** From the records that have a name and are constant: NoHold, NoRecord. */
function nullsOf(module: Module): ReadonlyMap<string, string> {
  const nulls = new Map<string, string>();
  for (const { name, body } of module.definitions.values()) {
    if (!/^(No|New)[A-Z]/.test(name) || body[0]?.text !== "[") continue;
    const inner = body.slice(1, -1);
    const commas = outer(inner).filter((at) => inner[at]?.text === ",");
    for (const [at, from] of [-1, ...commas].entries()) {
      const field = inner[from + 1];
      const value = inner.slice(from + 3, commas[at] ?? inner.length);
      const isConstant = value.every(
        ({ kind, text }) => kind !== "word" || text === text.toUpperCase() || module.definitions.has(text),
      );
      if (field === undefined || inner[from + 2]?.text !== "|->" || !isConstant) continue;
      nulls.set(field.text, module.source.slice(value[0]?.start, value.at(-1)?.end));
    }
  }
  return nulls;
}

const opposites: ReadonlyMap<string, string> = new Map([
  ["=", "#"],
  ["#", "="],
  ["<", "<="],
  ["<=", "<"],
  [">", ">="],
  [">=", ">"],
  ["\\in", "\\notin"],
  ["\\notin", "\\in"],
]);

/** Where an operand of a comparison ends. */
const ends = new Set([
  ...["/\\", "\\/", "=>", "<=>", "~", ":", "->", "|->", "[]", ",", "==", "="],
  ...["IF", "THEN", "ELSE", "CASE", "IN", "LET", "OTHER", "(", ")", "]", "}", ">>", "["],
]);

function comparisons(world: World, body: readonly Token[]): readonly Edit[] {
  return body.flatMap((token, index) => {
    const opposite = opposites.get(token.text);
    if (opposite === undefined || !compares(body, index)) return [];
    const operator = { kind: "comparison" as const, start: token.start, end: token.end, text: opposite };
    return [operator, ...constants(world, before(body, index)), ...constants(world, after(body, index))];
  });
}

/** Not an assignment, a path of an EXCEPT, nor what a variable ranges over. */
function compares(body: readonly Token[], index: number): boolean {
  const token = body[index];
  const previous = body[index - 1];
  if (previous?.text === "'" || token === undefined || previous === undefined) return false;
  if (token.text === "\\in") {
    let at = index - 1;
    while (body[at]?.kind === "word" && body[at - 1]?.text === ",") at -= 2;
    const introducing = body[at - 1]?.text ?? "";
    return introducing === ":" ? !isMapped(body, at - 1) : !["\\E", "\\A", "CHOOSE", "{", "["].includes(introducing);
  }
  if (token.text !== "=") return true;
  // Back over !.field and ![index].
  let depth = 0;
  for (let at = index - 1; at >= 0; at -= 1) {
    const text = body[at]?.text ?? "";
    if (text === "]") depth += 1;
    else if (text === "[" && depth > 0) depth -= 1;
    else if (depth === 0 && text === "!") return !["EXCEPT", ","].includes(body[at - 1]?.text ?? "");
    else if (depth === 0 && text !== "." && body[at]?.kind !== "word") return true;
  }
  return true;
}

/** {value : x \in S}, and not {x \in S : condition}. */
function isMapped(body: readonly Token[], colon: number): boolean {
  let depth = 0;
  for (let at = colon - 1; at >= 0; at -= 1) {
    const text = body[at]?.text ?? "";
    if ([")", "]", "}", ">>"].includes(text)) depth += 1;
    else if (["(", "[", "{", "<<"].includes(text) && depth > 0) depth -= 1;
    else if (depth === 0 && text === "{") return true;
    else if (depth === 0 && ["\\in", "(", "[", "\\E", "\\A", "CHOOSE"].includes(text)) return false;
  }
  return false;
}

function after(body: readonly Token[], index: number): readonly Token[] {
  const rest = body.slice(index + 1);
  const stop = outer(rest).find((at) => at > 0 && ends.has(rest[at]?.text ?? "") && !isIndex(rest, at));
  const first = rest[0]?.text ?? "";
  if (brackets.has(first)) return rest.slice(0, closes(rest, 0) + 1);
  return first === "(" || first === "IF" ? [] : rest.slice(0, stop);
}

/** A bracket right after a word belongs to it. */
const isIndex = (tokens: readonly Token[], at: number): boolean =>
  ["[", "]", "(", ")"].includes(tokens[at]?.text ?? "") && tokens[at - 1] !== undefined && at > 0;

/** Only what stands right before the comparison: a text, a number, or a tuple with them. */
function before(body: readonly Token[], index: number): readonly Token[] {
  const last = body[index - 1];
  if (last === undefined) return [];
  if (last.text !== ">>") return [last];
  let depth = 0;
  for (let at = index - 1; at >= 0; at -= 1) {
    if (body[at]?.text === ">>") depth += 1;
    if (body[at]?.text === "<<") depth -= 1;
    if (depth === 0) return body.slice(at, index);
  }
  return [];
}

function constants(world: World, operand: readonly Token[]): readonly Edit[] {
  const texts = operand.filter(({ kind }) => kind === "string").map(({ text }) => text);
  return operand.flatMap((token): readonly Edit[] => {
    const edit = (text: string): Edit => ({ kind: "comparison", start: token.start, end: token.end, text });
    if (token.kind === "number") {
      const value = Number(token.text);
      return value === 0 ? [edit("1")] : [edit(String(value + 1)), edit(String(value - 1))];
    }
    if (token.kind !== "string") return [];
    const other = anotherThan(world.sets, token.text, texts);
    return other === undefined ? [] : [edit(other)];
  });
}

/** The next one in the smallest set that has the text. */
function anotherThan(sets: World["sets"], text: string, taken: readonly string[]): string | undefined {
  for (const set of sets) {
    const at = set.indexOf(text);
    if (at === -1) continue;
    const other = [...set.slice(at + 1), ...set.slice(0, at)].find((one) => !taken.includes(one));
    if (other !== undefined) return other;
  }
  return undefined;
}

function setsOf(module: Module): World["sets"] {
  const sets: (readonly string[])[] = [];
  for (const { body } of module.definitions.values()) {
    for (const [index, { text }] of body.entries()) {
      if (text !== "{") continue;
      const inner = body.slice(index + 1, closes(body, index)).filter((token) => token.text !== ",");
      if (inner.length > 2 && inner.every(({ kind }) => kind === "string")) sets.push(inner.map((token) => token.text));
    }
  }
  return sets.toSorted((a, b) => a.length - b.length);
}
