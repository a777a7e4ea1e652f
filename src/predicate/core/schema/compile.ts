import type { Json, JsonObject } from "../../../kernel/json.ts";
import { nearest } from "../../../kernel/nearest.ts";
import { err, ok, type Result } from "../../../kernel/result.ts";
import { firstBytes } from "../../../kernel/text.ts";
import { compileCost, compileRegex, type Regex } from "../regex.ts";
import { advice, besideReference, keywordsOf, subjectOf } from "./keywords.ts";
import {
  schemaBytesMax,
  schemaChainMax,
  schemaDepthMax,
  schemaFindingsMax,
  schemaFoldingFactor,
  schemaNodeCountMax,
  schemaPatternLengthMax,
  schemaRegexCostMax,
} from "./limits.ts";
import { type Draft, isObject, type Part } from "./part.ts";
import { fail, type Node } from "./run.ts";
import { typesByName } from "./values.ts";
import { named, shown } from "./words.ts";

/** `#/properties/temperature/type`: `there is no type "int"; write integer` */
export type SchemaProblem = { readonly path: string; readonly message: string };

/** What is known while a schema is compiled. */
type Compilation = {
  readonly draft: Draft;
  readonly nodes: Map<string, Node>;
  readonly references: { readonly from: Node; readonly at: string; readonly to: string; readonly link: { node: Node } }[];
  readonly regexes: Map<string, Regex | undefined>;
  readonly problems: SchemaProblem[];
  regexCost: number;
  patternLength: number;
  /** There is more to mend than is told; the rest is not looked at. */
  isOver: boolean;
};

/** Stands for a schema that has a problem. */
const anything: Node = { pointer: "", assertions: [], inPlace: [] };

const drafts: ReadonlyMap<string, Draft> = new Map([
  ["https://json-schema.org/draft/2020-12/schema", "2020-12"],
  ["http://json-schema.org/draft-07/schema", "draft-07"],
]);

export function compileNodes(schema: Json): Result<Node, readonly SchemaProblem[]> {
  const size = sizeProblem(schema);
  if (size !== undefined) return err([{ path: "#", message: size }]);
  const draft = draftOf(schema);
  if (draft === undefined) {
    return err([{ path: "#/$schema", message: `must be one of ${[...drafts.keys()].join(", ")}` }]);
  }
  const compilation: Compilation = {
    draft,
    nodes: new Map(),
    references: [],
    regexes: new Map(),
    problems: [],
    regexCost: 0,
    patternLength: 0,
    isOver: false,
  };
  const root = nodeOf(schema, "#", compilation);
  if (!compilation.isOver) for (const reference of compilation.references) link(reference, compilation);
  const { problems } = compilation;
  if (problems.length === 0) problems.push(...chainProblems(compilation));
  return problems.length === 0 ? ok(root) : err(problems);
}

function sizeProblem(schema: Json): string | undefined {
  if (isDeeper(schema, schemaDepthMax)) return `is nested deeper than ${schemaDepthMax} levels`;
  const text = JSON.stringify(schema);
  return firstBytes(text, schemaBytesMax) === text ? undefined : `has more than ${schemaBytesMax} bytes`;
}

function isDeeper(value: Json, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}

function draftOf(schema: Json): Draft | undefined {
  const uri = isObject(schema) ? schema["$schema"] : undefined;
  if (uri === undefined) return "2020-12";
  return typeof uri === "string" ? drafts.get(uri.replace(/#$/, "")) : undefined;
}

function nodeOf(schema: Json, pointer: string, compilation: Compilation): Node {
  const { nodes } = compilation;
  if (compilation.isOver) return anything;
  if (nodes.size === schemaNodeCountMax) return giveUp(compilation, `has more than ${schemaNodeCountMax} schemas`);
  const node: Node = { pointer, assertions: [], inPlace: [] };
  nodes.set(pointer, node);
  if (schema === false) node.assertions.push((_, at, run) => fail(run, at, () => "must not be there"));
  if (typeof schema === "boolean") return node;
  if (isObject(schema)) {
    compileKeywords(schema, node, compilation);
  } else {
    report(pointer, `is ${shown(schema)}, must be a schema: an object, true or false`, compilation);
  }
  return node;
}

function giveUp(compilation: Compilation, message: string): Node {
  compilation.problems.push({ path: "#", message });
  compilation.isOver = true;
  return anything;
}

function compileKeywords(schema: JsonObject, node: Node, compilation: Compilation): void {
  const keywords = keywordsOf[compilation.draft];
  const isReference = compilation.draft === "draft-07" && Object.hasOwn(schema, "$ref");
  for (const [name, given] of Object.entries(schema)) {
    if (compilation.isOver) return;
    const part = partOf(name, schema, node, compilation);
    const keyword = keywords.get(name);
    if (isAllowedUnknown(name, node)) continue;
    if (keyword === undefined) {
      part.problem(unknownKeyword(name, [...keywords.keys()]));
    } else if (isReference && !besideReference.has(name)) {
      part.problem('draft-07 ignores it beside "$ref"; put both into "allOf"');
    } else if (isBesideTheType(name, schema)) {
      part.problem(`says nothing of the type beside it`);
    } else {
      const assertion = keyword(given, part);
      if (assertion !== undefined) node.assertions.push(assertion);
    }
  }
}

/** `minimum` of a string: one of the two is a mistake. */
function isBesideTheType(keyword: string, { type }: JsonObject): boolean {
  const subjects = subjectOf.get(keyword);
  if (type === undefined || subjects === undefined) return false;
  const types: readonly Json[] = Array.isArray(type) ? type : [type];
  return types.every((name) => typeof name === "string" && typesByName.has(name) && !subjects.includes(name));
}

/** A schema may have a name of its own, and notes for other programs. */
const isAllowedUnknown = (name: string, { pointer }: Node): boolean =>
  (name === "$id" && pointer === "#") || name.startsWith("x-");

function unknownKeyword(name: string, known: readonly string[]): string {
  const instead = advice.get(name);
  if (instead !== undefined) return instead;
  const meant = nearest(name, known);
  return `is no keyword of JSON Schema${meant === undefined ? "" : `; did you mean ${named(meant)}?`}`;
}

/** All that is told. What else there may be is not looked at. */
function report(path: string, message: string, compilation: Compilation): undefined {
  const { problems } = compilation;
  if (compilation.isOver) return;
  problems.push({ path, message });
  if (problems.length === schemaFindingsMax) giveUp(compilation, "may have more problems than these");
}

function partOf(keyword: string, schema: JsonObject, node: Node, compilation: Compilation): Part {
  const pointer = pointerTo(node.pointer, [keyword]);
  const schemaWithin: Part["schemaWithin"] = (given, ...keys) => nodeOf(given, pointerTo(pointer, keys), compilation);
  const problem = (message: string): undefined => report(pointer, message, compilation);
  return {
    schema,
    problem,
    schemaWithin,
    schemaHere: (given, ...keys) => {
      const here = schemaWithin(given, ...keys);
      node.inPlace.push(here);
      return here;
    },
    referred: (to) => {
      const referred = { node: anything };
      compilation.references.push({ from: node, at: pointer, to, link: referred });
      return referred;
    },
    regex: (pattern) => regexOf(pattern, problem, compilation),
    beside: (other) => partOf(other, schema, node, compilation),
  };
}

const pointerTo = (pointer: string, keys: readonly (string | number)[]): string =>
  [pointer, ...keys.map((key) => String(key).replaceAll("~", "~0").replaceAll("/", "~1"))].join("/");

function regexOf(pattern: string, problem: (message: string) => undefined, compilation: Compilation): Regex | undefined {
  if (compilation.regexes.has(pattern)) return compilation.regexes.get(pattern);
  compilation.regexes.set(pattern, undefined);
  compilation.regexCost += compileCost(pattern);
  compilation.patternLength += pattern.length * (/\(\?\w*i/.test(pattern) ? schemaFoldingFactor : 1);
  if (compilation.patternLength > schemaPatternLengthMax) {
    return problem(
      `all patterns together may have ${schemaPatternLengthMax} characters, ${schemaFoldingFactor} times fewer with (?i)`,
    );
  }
  if (compilation.regexCost > schemaRegexCostMax) {
    return problem(`all patterns together may cost ${schemaRegexCostMax} units to compile: repeat less`);
  }
  const regex = compileRegex(pattern);
  if (!regex.ok) return problem(`${named(pattern)} is no RE2 pattern: ${regex.error}`);
  compilation.regexes.set(pattern, regex.value);
  return regex.value;
}

function link({ from, at, to, link }: Compilation["references"][number], compilation: Compilation): void {
  const { nodes } = compilation;
  const node = to.startsWith("#") ? nodes.get(`#${decoded(to.slice(1))}`) : undefined;
  if (node === undefined) {
    const why = to.startsWith("#") ? "is no schema within this one" : "is not within this schema; refer with #/…";
    report(at, `${named(to)} ${why}`, compilation);
  } else {
    link.node = node;
    from.inPlace.push(node);
  }
}

function decoded(pointer: string): string {
  try {
    return decodeURIComponent(pointer);
  } catch {
    return pointer;
  }
}

/** A schema that refers to itself for the same value would never end; a long chain would end the stack. */
function chainProblems({ nodes }: Compilation): readonly SchemaProblem[] {
  const lengths = new Map<Node, number>();
  const lengthOf = (node: Node): number => {
    const known = lengths.get(node);
    if (known !== undefined) return known;
    // Until it is known: whoever comes here again has gone in a circle.
    lengths.set(node, Number.POSITIVE_INFINITY);
    const length = 1 + Math.max(0, ...node.inPlace.map(lengthOf));
    lengths.set(node, length);
    return length;
  };
  const tooLong = [...nodes.values()].find((node) => lengthOf(node) > schemaChainMax);
  if (tooLong === undefined) return [];
  const isCircle = lengthOf(tooLong) === Number.POSITIVE_INFINITY;
  const message = isCircle
    ? "refers to itself for the same value, which never ends"
    : `more than ${schemaChainMax} schemas are within each other for one value`;
  return [{ path: tooLong.pointer, message }];
}
