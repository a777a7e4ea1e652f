// Runs a safety model on many mutants at once: one module has them all, and a variable, which nothing changes, says which of them a behaviour is of.
//
// A mutant that violates a property is told, and not explored any further. So a run takes about as long as those that survive it, and one
// start of a JVM, which is most of what a small model takes.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Model } from "../manifest.ts";
import { runTlc, type Tlc } from "../tlc.ts";
import type { SpecMutant } from "./mutants.ts";
import { type Piece, piecesOf } from "./pieces.ts";
import { type Module, moduleOf, usedBy } from "./tokens.ts";

export type Batch = {
  /** By what. */
  readonly killed: ReadonlyMap<SpecMutant, string>;
  /** Explored to the end, or as far as there is something to ask. */
  readonly unnoticed: readonly SpecMutant[];
};

/** How large the graph of the module is. */
export type GraphSize = { readonly states: number; readonly steps: number };

/** What is asked of each mutant. */
type Asked = "properties" | "witness" | "liveness" | GraphSize;

/** What is violated by a mutant is asked for by the model itself; which actions are taken by each mutant is not. */
export function askedBy(model: Model): Exclude<Asked, GraphSize> | undefined {
  if (model.mutate !== undefined || model.neverTaken !== undefined) return undefined;
  if (model.exit === 0 && (model.kind === "safety" || model.kind === "symmetry")) return "properties";
  if (model.exit === 0 && model.kind === "liveness") return "liveness";
  return model.kind === "witness" && model.exit === exitInvariant ? "witness" : undefined;
}

/** TLC's exit code for a violated invariant. */
const exitInvariant = 12;

/** A definition that TLC evaluates once must not depend on a variable. */
export function mayJoin(source: string): (mutant: SpecMutant) => boolean {
  const module = moduleOf("", source);
  const constant = new Map<string, boolean>();
  return ({ action }) => {
    const definition = module.definitions.get(action);
    if (definition === undefined) return false;
    const hasParameters = source[definition.start + action.length] === "(";
    const isConstant = constant.get(action) ?? isConstantLevel(module, action);
    constant.set(action, isConstant);
    return hasParameters || !isConstant;
  };
}

function isConstantLevel(module: Module, name: string): boolean {
  return [...usedBy(module, name)].every((used) =>
    (module.definitions.get(used)?.body ?? []).every(({ kind, text }) => kind !== "word" || !module.variables.has(text)),
  );
}

/** TLC's exit code for what does not parse. */
const exitUnparsed = 150;

/** What TLC cannot evaluate ends a run; so often it is begun again without the mutant that did it. */
const errorCountMax = 100;

export async function runBatch(
  tlc: Tlc,
  specsDir: string,
  model: Model,
  asked: Asked,
  mutants: readonly SpecMutant[],
  secondsMax: number,
  /** Called as soon as it is known. */
  onKilled: (mutant: SpecMutant, by: string) => void = () => {},
): Promise<Batch> {
  const killed = new Map<SpecMutant, string>();
  const reached = new Set<SpecMutant>();
  const kill = (mutant: SpecMutant, by: string): void => {
    killed.set(mutant, by);
    onKilled(mutant, by);
  };
  for (let errors = 0; errors <= errorCountMax; errors += 1) {
    const left = mutants.filter((mutant) => !killed.has(mutant) && !reached.has(mutant));
    if (left.length === 0) break;
    const { exit, output } = await runOnce(tlc, specsDir, model, asked, left, secondsMax);
    const told = (what: string): readonly (readonly [SpecMutant, string])[] =>
      [...output.matchAll(new RegExp(`^<<"${what}", (\\d+), "(.*)">>$`, "gm"))].flatMap(([, number, by = ""]) => {
        const mutant = left[Number(number) - 1];
        return mutant === undefined ? [] : [[mutant, by] as const];
      });
    for (const [mutant, by] of told("killed")) if (!killed.has(mutant)) kill(mutant, by);
    if (asked === "witness") for (const [mutant] of told("reached")) reached.add(mutant);
    if (exit === 0) {
      const same = new Set(told("same").map(([mutant]) => mutant));
      for (const mutant of left) {
        if (asked === "witness" && !reached.has(mutant)) kill(mutant, `not ${model.violates}`);
        if (typeof asked === "object" && !killed.has(mutant) && !same.has(mutant)) kill(mutant, "what the code does is missing");
      }
      return { killed, unnoticed: mutants.filter((mutant) => !killed.has(mutant)) };
    }
    if (exit === -1) return { killed, unnoticed: [...reached] };
    if (exit === exitUnparsed) throw new Error(`a module of ${left.length} mutants does not parse:\n${output.slice(-5_000)}`);
    const among = left.filter((mutant) => !killed.has(mutant) && !reached.has(mutant));
    const culprit =
      left[(Number([...output.matchAll(/^\/\\ mutant = (\d+)$/gm)].at(-1)?.[1]) % unborn) - 1] ??
      (among.length === 1 ? among[0] : undefined);
    if (culprit === undefined) {
      // TLC does not say in which state.
      const middle = Math.ceil(among.length / 2);
      const unnoticed: SpecMutant[] = [...reached];
      for (const half of [among.slice(0, middle), among.slice(middle)]) {
        unnoticed.push(...(await runBatch(tlc, specsDir, model, asked, half, secondsMax, kill)).unnoticed);
      }
      return { killed, unnoticed };
    }
    kill(culprit, asked === "liveness" ? "a liveness property" : "an error of evaluation");
  }
  return { killed, unnoticed: [...reached] };
}

/** Of the module as it is. A step that changes nothing is none. */
export async function sizeOf(tlc: Tlc, specsDir: string, model: Model): Promise<GraphSize> {
  const { output } = await runOnce(tlc, specsDir, model, { states: Number.NaN, steps: Number.NaN }, [], sizeSecondsMax);
  const counted = (what: string): number => output.split(`<<"${what}">>`).length - 1;
  return { states: counted("state"), steps: counted("step") };
}

const sizeSecondsMax = 300;

async function runOnce(
  tlc: Tlc,
  specsDir: string,
  model: Model,
  asked: Asked,
  mutants: readonly SpecMutant[],
  secondsMax: number,
) {
  const dir = mkdtempSync(join(tmpdir(), "concord-mutants-"));
  try {
    for (const file of readdirSync(specsDir).filter((name) => name.endsWith(".tla") && !name.startsWith("Trace"))) {
      const source = readFileSync(join(specsDir, file), "utf8");
      writeFileSync(join(dir, file), file === `${model.module}.tla` ? source : withStep(source));
    }
    const cfg = model.cfg.includes("\n") ? model.cfg : readFileSync(join(specsDir, model.cfg), "utf8");
    const source = readFileSync(join(specsDir, `${model.module}.tla`), "utf8");
    const module = moduleOf(model.module, source);
    const text = joined(module, mutants);
    const lines =
      asked === "liveness"
        ? []
        : typeof asked === "object"
          ? sizeReports(module, asked, mutants.length)
          : propertyReports(
              module,
              asked,
              model.invariants ?? namesIn(cfg, "INVARIANT"),
              model.properties ?? namesIn(cfg, "PROPERT"),
              mutants.length,
            );
    const extended = withReports(text, module, lines);
    const written = asked === "liveness" ? withMutantsOnly(extended, mutants.length) : extended;
    writeFileSync(join(dir, `${model.module}.tla`), written);
    writeFileSync(join(dir, "batch.cfg"), asked === "liveness" ? cfg : configOf(cfg));
    const { invariants, properties, ...plain } = model;
    const own = asked !== "liveness" || properties === undefined ? {} : { properties, invariants: invariants ?? [] };
    return await runTlc(tlc, dir, { ...plain, ...own, cfg: "batch.cfg" }, { secondsMax, isBatch: true });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The module with all of them in it. Each stands in the place of the smallest piece that it changes. */
function joined(module: Module, mutants: readonly SpecMutant[]): string {
  const byAction = Map.groupBy(
    mutants.map((mutant, index) => ({ mutant, number: index + 1 })),
    ({ mutant }) => mutant.action,
  );
  let text = module.source;
  const definitions = [...byAction.keys()].flatMap((name) => module.definitions.get(name) ?? []);
  for (const definition of definitions.toSorted((a, b) => b.start - a.start)) {
    const body = piecesOf(definition.body);
    const [start, end] = spanOf(body);
    text = text.slice(0, start) + textOf(module.source, body, byAction.get(definition.name) ?? []) + text.slice(end);
  }
  return text;
}

/** Added to the number of what is to become a mutant. */
const unborn = 10_000;

type Numbered = { readonly mutant: SpecMutant; readonly number: number };

const spanOf = ({ tokens }: Piece): readonly [number, number] => [tokens[0]?.start ?? 0, tokens.at(-1)?.end ?? 0];

function textOf(source: string, piece: Piece, numbered: readonly Numbered[]): string {
  const [start, end] = spanOf(piece);
  const isIn = (part: Piece, { mutant: { edit } }: Numbered): boolean => {
    const [from, to] = spanOf(part);
    return edit.start >= from && edit.end <= to;
  };
  let plain = source.slice(start, end);
  const parts = piece.parts.filter(({ tokens }) => tokens.length > 0);
  for (const part of parts.toSorted((a, b) => spanOf(b)[0] - spanOf(a)[0])) {
    const inside = numbered.filter((each) => isIn(part, each));
    const [from, to] = spanOf(part);
    if (inside.length > 0) plain = plain.slice(0, from - start) + textOf(source, part, inside) + plain.slice(to - start);
  }
  const own = numbered.filter((each) => !parts.some((part) => isIn(part, each)));
  if (own.length === 0) return plain;
  // The text begins where it began, so that its lists stay as they are.
  const pad = `\n${" ".repeat(piece.tokens[0]?.column ?? 0)}`;
  const choices = own.map(({ mutant: { edit }, number }) => {
    const text = source.slice(start, edit.start) + edit.text + source.slice(edit.end, end);
    return `IF mutant = ${number} THEN (${pad}${text})${pad}ELSE `;
  });
  return `(${choices.join("")}(${pad}${plain}))`;
}

/** The step of a specification that another module refines. */
const withStep = (source: string): string =>
  source.replace(/^Spec == Init \/\\ \[\]\[Next\]_(\w+)$/m, (spec, subscript) => `${spec}\n\nStepOfSpec == [Next]_${subscript}`);

/** A specification of all of them, with its fairness. */
const withMutantsOnly = (source: string, count: number): string =>
  source.replace(
    /^Spec == Init \/\\ \[\]\[Next\]_(\w+)$/m,
    (_, subscript) => `Spec == (mutant \\in 1..${count} /\\ Init) /\\ [][Next /\\ UNCHANGED mutant]_<<mutant, ${subscript}>>`,
  );

function withReports(text: string, module: Module, lines: readonly string[]): string {
  const all = [
    `MutantBorn == mutant > ${unborn} /\\ mutant' = mutant - ${unborn} /\\ UNCHANGED ${variablesOf(module)}`,
    `MutantNext == MutantBorn \\/ (mutant <= ${unborn} /\\ Next /\\ UNCHANGED mutant)`,
    'MutantKilled(by) == PrintT(<<"killed", mutant, by>>) /\\ TLCSet(mutant, TRUE)',
    'MutantReached(by) == PrintT(<<"reached", mutant, by>>) /\\ TLCSet(mutant, TRUE)',
    `MutantAlive == mutant > ${unborn} \\/ TLCGet(mutant) = FALSE`,
  ];
  const extended = /^EXTENDS\b/m.test(text) ? text : text.replace(/^(----.*)$/m, "$1\nEXTENDS Naturals, TLC");
  const declared = extended.replace(/^VARIABLES?\b/m, (word) => `VARIABLE mutant\n\n${word}`);
  const end = declared.lastIndexOf("\n====");
  const reports = lines.length === 0 ? [] : [...all, ...lines];
  return `${declared.slice(0, end)}\n${reports.join("\n")}\n${declared.slice(end)}`;
}

const variablesOf = (module: Module): string => `<<${[...module.variables].join(", ")}>>`;

/** It begins as the module is, and becomes a mutant then: of what goes wrong in a first state, TLC does not say in which. */
const initOf = (count: number): string => `MutantInit == mutant \\in {number + ${unborn} : number \\in 1..${count}} /\\ Init`;

function propertyReports(
  module: Module,
  asked: "properties" | "witness",
  invariants: readonly string[],
  properties: readonly string[],
  count: number,
): readonly string[] {
  const report = asked === "witness" ? "MutantReached" : "MutantKilled";
  return [
    initOf(count),
    ...["MutantStates ==", `  \\/ mutant > ${unborn}`, "  \\/ ~MutantAlive", "  \\/ /\\ TRUE"],
    ...invariants.map((name) => `     /\\ ${name} \\/ ${report}("${name}")`),
    ...["MutantSteps ==", `  \\/ mutant > ${unborn}`, "  \\/ ~MutantAlive", "  \\/ /\\ TRUE"],
    ...properties.map((name) => `     /\\ (${stepOf(module, name)}) \\/ MutantKilled("${name}")`),
    `ASSUME \\A number \\in 1..${count} : TLCSet(number, FALSE)`,
  ];
}

/** More states or steps than the module has are told at once; less, by not telling that it is the same. */
function sizeReports(module: Module, { states, steps }: GraphSize, count: number): readonly string[] {
  const variables = variablesOf(module);
  const isStep = `${variables}' # ${variables}`;
  if (Number.isNaN(states)) {
    const born = [`MutantInit == mutant = 1 /\\ Init`, 'MutantStates == mutant = 1 /\\ PrintT(<<"state">>)'];
    return [...born, `MutantSteps == ${isStep} => PrintT(<<"step">>)`, "ASSUME TLCSet(1, FALSE)"];
  }
  const counted = (at: number, max: number, what: string): string =>
    `/\\ TLCSet(${at} + mutant, TLCGet(${at} + mutant) + 1) /\\ MutantSame ` +
    `/\\ (TLCGet(${at} + mutant) <= ${max} \\/ MutantKilled("${what} of which the code knows nothing"))`;
  return [
    initOf(count),
    `MutantSame == (TLCGet(${statesAt} + mutant) = ${states} /\\ TLCGet(${stepsAt} + mutant) = ${steps}) => ` +
      `PrintT(<<"same", mutant, "">>)`,
    `MutantStates == mutant > ${unborn} \\/ ~MutantAlive \\/ (${counted(statesAt, states, "a state")})`,
    `MutantSteps == mutant > ${unborn} \\/ ~MutantAlive \\/ ~(${isStep}) \\/ (${counted(stepsAt, steps, "a step")})`,
    `ASSUME \\A number \\in 1..${count} : TLCSet(number, FALSE)`,
    `ASSUME \\A number \\in 1..${count} : TLCSet(${statesAt} + number, 0) /\\ TLCSet(${stepsAt} + number, 0)`,
  ];
}

/** Where TLC keeps what is counted. */
const statesAt = 1_000;
const stepsAt = 2_000;

const shift = 10;

/** What an action property says of a step. */
function stepOf(module: Module, name: string): string {
  const body = module.definitions.get(name)?.body ?? [];
  const [first, , third] = body;
  if (third?.text === "Spec") return `${first?.text}!StepOfSpec`;
  const text = module.source.slice(first?.start, body.at(-1)?.end);
  const parts = /^\[\]\[([\s\S]*)\]_(\w+)$/.exec(text);
  if (parts === null) throw new Error(`${name} is no property of steps`);
  const [, step = "", subscript = ""] = parts;
  // Where it stood, but for the lists that it is in now.
  const shifted = step.replace(/\n/g, `\n${" ".repeat(shift)}`);
  const pad = `\n${" ".repeat((first?.column ?? 0) + 3 + shift)}`;
  return `(${pad}${shifted})\n        \\/ UNCHANGED ${subscript}`;
}

const namesIn = (cfg: string, keyword: string): readonly string[] =>
  (cfg.split(/^(?=[A-Z_]+\b)/m).find((section) => section.startsWith(keyword)) ?? "").trim().split(/\s+/).slice(1);

function configOf(cfg: string): string {
  const kept = cfg.split(/^(?=[A-Z_]+\b)/m).filter((section) => !/^(INVARIANT|PROPERT|SPECIFICATION)/.test(section));
  return `${kept.join("")}\nINIT MutantInit\nNEXT MutantNext\nINVARIANT MutantStates\nCONSTRAINT MutantAlive\nACTION_CONSTRAINT MutantSteps\n`;
}
