import { callMutants } from "./call-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { numberMutants } from "./number-mutants.ts";
import { mutant, type Place, textOf } from "./place.ts";
import { sqlChanges } from "./sql.ts";
import { bare, type Node, nodeAt } from "./syntax.ts";

const comparisons: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
};

const tested = new Set(["IfStatement", "ConditionalExpression", "WhileStatement", "DoWhileStatement", "ForStatement"]);

/** What may stand in place of an expression. */
export function expressionMutants(here: Place, node: Node, parent: Node | undefined): readonly Mutant[] {
  const isTest = parent !== undefined && tested.has(parent.type) && nodeAt(parent, "test") === node;
  return [...(isTest ? conditionMutants(here, node, parent) : []), ...ownMutants(here, node, parent)];
}

function ownMutants(here: Place, node: Node, parent: Node | undefined): readonly Mutant[] {
  switch (node.type) {
    case "AwaitExpression":
      return awaitMutants(here, node, parent);
    case "BinaryExpression":
      return binaryMutants(here, node);
    case "UnaryExpression":
      return negationMutants(here, node, parent);
    case "AssignmentExpression":
      return assignmentMutants(here, node);
    case "LogicalExpression":
      return logicalMutants(here, node);
    case "Literal":
      return literalMutants(here, node, parent);
    case "TemplateLiteral":
      return templateMutants(here, node);
    case "ArrayExpression":
      return arrayMutants(here, node, parent);
    case "ObjectExpression":
      return objectMutants(here, node);
    case "CallExpression":
      return callMutants(here, node);
    default:
      return [];
  }
}

function conditionMutants(here: Place, node: Node, parent: Node): readonly Mutant[] {
  const { type } = bare(node);
  if (type === "Literal") return [];
  const text = textOf(here, node);
  // Of a comparison the opposite is a change of its own.
  const isTurned = type === "BinaryExpression" && /^[!=]==$/.test(String(bare(node)["operator"]));
  const isLoop = parent.type.endsWith("WhileStatement") || parent.type === "ForStatement";
  return [
    ...(isTurned ? [] : [mutant(here, node, "negated condition", `!(${text})`)]),
    ...(isLoop || isPause(here, node, parent) ? [] : [mutant(here, node, "constant condition", "true")]),
    mutant(here, node, "constant condition", "false"),
  ];
}

/** `if (pause !== undefined) await pause`: to wait for nothing takes no time. */
const isPause = (here: Place, test: Node, parent: Node): boolean => {
  const awaited = /^await (\w+);$/.exec(textOf(here, nodeAt(parent, "consequent") ?? parent))?.[1];
  return awaited !== undefined && textOf(here, test) === `${awaited} !== undefined`;
};

/** Of a value that is used the type would change; but not of one that is answered, which a `try` around it guards only as long as it waits. */
function awaitMutants(here: Place, node: Node, parent: Node | undefined): readonly Mutant[] {
  const argument = nodeAt(node, "argument");
  const isFit = parent?.type === "ExpressionStatement" || (parent?.type === "ReturnStatement" && here.isTried);
  return argument !== undefined && isFit ? [mutant(here, node, "dropped await", textOf(here, argument))] : [];
}

/** A condition that is no test of its own: what is answered, or kept. */
function negationMutants(here: Place, node: Node, parent: Node | undefined): readonly Mutant[] {
  const argument = nodeAt(node, "argument");
  const isTest = parent !== undefined && tested.has(parent.type) && nodeAt(parent, "test") === node;
  if (node["operator"] !== "!" || argument === undefined || isTest) return [];
  return [mutant(here, node, "negated condition", `!!${textOf(here, argument)}`)];
}

const turnedAssignments: Readonly<Record<string, string>> = { "+=": "-=", "-=": "+=" };

function assignmentMutants(here: Place, node: Node): readonly Mutant[] {
  const turned = turnedAssignments[String(node["operator"])];
  const [left, right] = [nodeAt(node, "left"), nodeAt(node, "right")];
  if (turned === undefined || left === undefined || right === undefined || isText(right)) return [];
  return [mutant(here, node, "changed operator", `${textOf(here, left)} ${turned} ${textOf(here, right)}`)];
}

const isText = (node: Node): boolean =>
  node.type === "TemplateLiteral" || (node.type === "Literal" && typeof node["value"] === "string");

function binaryMutants(here: Place, node: Node): readonly Mutant[] {
  const operator = String(node["operator"]);
  const [left, right] = [nodeAt(node, "left"), nodeAt(node, "right")];
  if (left === undefined || right === undefined) return [];
  const isSum = operator === "+" && [left, right].some(isNumber);
  const turned = comparisons[operator] ?? (operator === "-" ? "+" : isSum ? "-" : undefined);
  if (turned === undefined) return [];
  const kind = /[+-]/.test(operator) ? "changed operator" : "changed comparison";
  return [mutant(here, node, kind, `${textOf(here, left)} ${turned} ${textOf(here, right)}`)];
}

/** Texts are put together with the same sign. */
const isNumber = (node: Node): boolean => node.type === "Literal" && /^(number|bigint)$/.test(typeof node["value"]);

function logicalMutants(here: Place, node: Node): readonly Mutant[] {
  const [left, right] = [nodeAt(node, "left"), nodeAt(node, "right")];
  if (left === undefined || right === undefined) return [];
  const [a, b] = [textOf(here, left), textOf(here, right)];
  if (node["operator"] === "??") return [mutant(here, node, "changed operator", b)];
  const other = node["operator"] === "&&" ? "||" : "&&";
  return [
    ...(isNarrowing(here, left, b) ? [] : [mutant(here, node, "dropped condition", b)]),
    mutant(here, node, "dropped condition", a),
    mutant(here, node, "changed operator", `(${a}) ${other} (${b})`),
  ];
}

/** Without it, the compiler refuses what comes after it: `x !== undefined && x.y`, or `x.kind !== "list" || x.element`. */
function isNarrowing(here: Place, left: Node, right: string): boolean {
  const text = textOf(here, left);
  if (!/undefined|null|typeof|instanceof|\.ok\b|\.(type|case|kind) [!=]==/.test(text) && bare(left).type !== "Identifier")
    return false;
  const [name] = /[A-Za-z_]\w*/.exec(text.replace(/^\W*(typeof )?/, "")) ?? [];
  return name !== undefined && new RegExp(`\\b${name}\\b`).test(right);
}

const constants: Readonly<Record<string, string>> = { "0": "1", "1": "0", "0n": "1n", "1n": "0n", true: "false", false: "true" };

function literalMutants(here: Place, node: Node, parent: Node | undefined): readonly Mutant[] {
  const raw = String(node["raw"]);
  const changed = constants[raw];
  if (changed !== undefined) {
    return [mutant(here, node, "changed constant", changed, { before: around(here, parent ?? node), after: changed })];
  }
  if (typeof node["value"] === "number") return numberMutants(here, node, parent);
  if (typeof node["value"] !== "string" || parent?.type === "ExpressionStatement") return [];
  return sqlMutants(here, node, [{ start: node.start + 1, end: node.end - 1 }]);
}

/** A constant alone says too little. */
const around = (here: Place, parent: Node): string => textOf(here, parent).slice(0, 80);

function templateMutants(here: Place, node: Node): readonly Mutant[] {
  const quasis = node["quasis"] as readonly Node[];
  // Their places have a backtick or a brace before them.
  const parts = quasis.map(({ start, value }) => ({ start: start + 1, end: start + 1 + (value as { raw: string }).raw.length }));
  return sqlMutants(here, node, parts);
}

function sqlMutants(here: Place, node: Node, parts: readonly Pick<Node, "start" | "end">[]): readonly Mutant[] {
  const whole = textOf(here, node);
  return parts.flatMap(({ start, end }) =>
    sqlChanges(here.text.slice(start, end), whole, start - node.start).map((change) => {
      const from = start - node.start + change.start;
      const to = start - node.start + change.end;
      const replacement = `${whole.slice(0, from)}${change.replacement}${whole.slice(to)}`;
      const context = (text: string, at: number): string => text.slice(Math.max(0, from - 30), at + 30);
      return mutant(here, node, change.kind, replacement, {
        before: context(whole, to),
        after: context(replacement, from + change.replacement.length),
      });
    }),
  );
}

const effectful = new Set(["ObjectExpression", "CallExpression", "SpreadElement", "ConditionalExpression"]);

function arrayMutants(here: Place, node: Node, parent: Node | undefined): readonly Mutant[] {
  // A list of words is a type as well: what lacks one of them does not compile.
  const isType = parent?.type.startsWith("TS") ?? false;
  const elements = (node["elements"] as readonly (Node | null)[]).filter((element) => element !== null);
  const texts = elements.map((element) => textOf(here, element));
  // Beside what is made here, a name is another of its kind: `[forced, voteEffect(prepared)]`.
  const isMade = elements.some(({ type }) => effectful.has(type));
  const isEffect = (index: number): boolean =>
    effectful.has(elements[index]?.type ?? "") || (isMade && elements[index]?.type === "Identifier");
  // What is found by its name is found wherever it stands.
  const isTable = texts.some((text) => /\bcel(Func|Method)\(/.test(text));
  return texts.flatMap((text, index) => {
    const others = texts.toSpliced(index, 1);
    const swapped = texts.with(index, texts[index + 1] ?? "").with(Math.min(index + 1, texts.length - 1), text);
    const pair = [text, texts[index + 1] ?? ""];
    // A value that a statement of SQL lacks is missed by SQLite.
    if (!isEffect(index) && (isType || elements[index]?.type !== "Literal")) return [];
    return [
      mutant(here, node, isEffect(index) ? "dropped effect" : "dropped column", `[${others.join(", ")}]`, {
        before: text,
        after: "nothing",
      }),
      ...(!isTable && isEffect(index) && isEffect(index + 1) && !isSameCode(here, elements[index], elements[index + 1])
        ? [
            mutant(here, node, "swapped order", `[${swapped.join(", ")}]`, {
              before: pair.join(", "),
              after: pair.toReversed().join(", "),
            }),
          ]
        : []),
    ];
  });
}

/** Alike but for types: in either order they do the same. */
function isSameCode(here: Place, one: Node | undefined, other: Node | undefined): boolean {
  const [first, second] = [one, other].map((node) => node && textOf(here, node).replaceAll(/<[\w.]+>(?=\()/g, ""));
  return first === second;
}

/** What is spread into an object may be missing; a property that is written out is missed by the compiler. */
function objectMutants(here: Place, node: Node): readonly Mutant[] {
  const properties = node["properties"] as readonly Node[];
  const texts = properties.map((property) => textOf(here, property));
  return properties.flatMap((property, index) => {
    if (property.type !== "SpreadElement") return [];
    const others = texts.toSpliced(index, 1);
    return [mutant(here, node, "dropped column", `{ ${others.join(", ")} }`, { before: texts[index] ?? "", after: "nothing" })];
  });
}
