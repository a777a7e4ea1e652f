import type { Json } from "../../../kernel/json.ts";
import { counted } from "../../../kernel/text.ts";
import { type Keyword, schemasOf, textOf } from "./part.ts";
import { type Assertion, type Findings, fail, holds, type Node, quietly, type Run } from "./run.ts";
import { type Place, pathOf, shown } from "./words.ts";

export const reference: Keyword = (given, part) => {
  const text = textOf(given, part);
  if (text === undefined) return undefined;
  const referred = part.referred(text);
  return (value, at, run) => holds(referred.node, value, at, run);
};

export const allOf: Keyword = (given, part) => {
  const nodes = schemasOf(given, part)?.map((schema, index) => part.schemaHere(schema, index));
  if (nodes === undefined) return undefined;
  return (value, at, run) => {
    let all = true;
    for (const node of nodes) {
      if (holds(node, value, at, run)) continue;
      if (run.findings === undefined) return false;
      all = false;
    }
    return all;
  };
};

export const anyOf: Keyword = (given, part) => {
  const nodes = schemasOf(given, part)?.map((schema, index) => part.schemaHere(schema, index));
  return (
    nodes && ((value, at, run) => nodes.some((node) => holds(node, value, at, quietly(run))) || fitsNone(nodes, value, at, run))
  );
};

export const oneOf: Keyword = (given, part) => {
  const nodes = schemasOf(given, part)?.map((schema, index) => part.schemaHere(schema, index));
  if (nodes === undefined) return undefined;
  return (value, at, run) => {
    let fitting: number | undefined;
    for (const [index, node] of nodes.entries()) {
      if (!holds(node, value, at, quietly(run))) continue;
      const first = fitting;
      if (first !== undefined)
        return fail(run, at, () => `fits alternatives ${first + 1} and ${index + 1} of "oneOf", must fit one`);
      fitting = index;
    }
    return fitting !== undefined || fitsNone(nodes, value, at, run);
  };
};

/** Alternatives whose reasons are told. */
const toldMax = 3;

function fitsNone(nodes: readonly Node[], value: Json, at: Place, run: Run): false {
  if (run.findings === undefined) return false;
  const reasons = nodes.slice(0, toldMax).map((node) => reasonOf(node, value, at, run));
  const more = nodes.length > toldMax ? "; …" : "";
  return fail(run, at, () => `fits none of ${counted(nodes.length, "alternative")}: ${reasons.join("; ")}${more}`);
}

/** The first thing that is wrong, and where, from here. */
function reasonOf(node: Node, value: Json, at: Place, run: Run): string {
  const findings: Findings = { first: [], wanted: 1, count: 0 };
  holds(node, value, at, { budget: run.budget, findings });
  const [first] = findings.first;
  const where = first?.path.slice(pathOf(at).length) ?? "";
  return where === "" ? (first?.message ?? "") : `${where} ${first?.message}`;
}

export const not: Keyword = (given, part) => {
  const node = part.schemaHere(given);
  return (value, at, run) =>
    !holds(node, value, at, quietly(run)) || fail(run, at, () => `is ${shown(value)}, which "not" excludes`);
};

export const ifThenElse: Keyword = (given, part) => {
  const condition = part.schemaHere(given);
  const nodeOf = (keyword: string): Node | undefined => {
    const schema = part.schema[keyword];
    return schema === undefined ? undefined : part.beside(keyword).schemaHere(schema);
  };
  const [then, otherwise] = [nodeOf("then"), nodeOf("else")];
  return choice(condition, then, otherwise);
};

function choice(condition: Node, then: Node | undefined, otherwise: Node | undefined): Assertion {
  return (value, at, run) => {
    const node = holds(condition, value, at, quietly(run)) ? then : otherwise;
    return node === undefined || holds(node, value, at, run);
  };
}

/** `if` reads it. */
export const branch: Keyword = (_, part) =>
  part.schema["if"] === undefined ? part.problem('does nothing without "if"') : undefined;
