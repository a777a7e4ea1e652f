// The list of models, specs/manifest.json: what is checked, and what must come out.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const kinds = ["safety", "symmetry", "liveness", "simulation", "witness", "mutant"] as const;
export type Kind = (typeof kinds)[number];

/** A text, or its lines. */
export type Text = string | readonly string[];

/** An exact textual replacement, in the model's module unless `in` names another. `find` must occur exactly once. */
export type Mutation = { readonly in?: string; readonly find: Text; readonly replace: Text };

export type Model = {
  readonly name: string;
  readonly kind: Kind;
  readonly module: string;
  /** Path below specs/. */
  readonly cfg: string;
  /** TLC's exit code: 0 no error, 11 deadlock, 12 invariant violated, 13 action property or liveness violated. */
  readonly exit: number;
  /** The exact number of distinct states; states generated for a simulation. Checked where it is given. */
  readonly distinct?: number;
  /** The property that TLC must report as violated. */
  readonly violates?: string;
  /** Take the place of the lists in the cfg. TLC does not name a violated liveness property: check it alone. */
  readonly invariants?: readonly string[];
  readonly properties?: readonly string[];
  readonly mutate?: readonly Mutation[];
  /** Why a mutant that survives is no mutant: it describes the same behaviour. */
  readonly equivalent?: string;
  /** Every action is taken, except these, which never are. */
  readonly neverTaken?: readonly string[];
  readonly simulate?: { readonly traces: number; readonly depth: number; readonly seed: number };
  /** Seconds to finish: part of `make test`. */
  readonly smoke?: boolean;
  /** So large that it is no part of `make verify`, but of `make stress`; smaller models ask the same. */
  readonly long?: boolean;
  /** Wall time when last recorded, alone on one core. Decides the order of the run and nothing else. */
  readonly seconds?: number;
  readonly note?: string;
};

const manifestFile = "manifest.json";

export function loadManifest(specsDir: string): readonly Model[] {
  const parsed = JSON.parse(readFileSync(join(specsDir, manifestFile), "utf8")) as {
    models: readonly Model[];
  };
  const problems = parsed.models.flatMap((model, index) => problemsOf(model, parsed.models.slice(0, index)));
  if (problems.length > 0) throw new Error(`${manifestFile}:\n  ${problems.join("\n  ")}`);
  return parsed.models;
}

function problemsOf(model: Model, earlier: readonly Model[]): readonly string[] {
  const problems: string[] = [];
  const expect = (holds: boolean, message: string) => {
    if (!holds) problems.push(`${model.name}: ${message}`);
  };
  expect(!earlier.some((other) => other.name === model.name), "the name is taken");
  expect(kinds.includes(model.kind), `unknown kind ${model.kind}`);
  expect(model.exit === 0 || model.violates !== undefined, "a violation needs `violates`");
  expect(model.exit !== 0 || model.violates === undefined, "`violates` needs an exit code");
  expect(model.kind !== "mutant" || model.mutate !== undefined, "a mutant needs `mutate`");
  expect(model.kind !== "mutant" || model.exit !== 0 || model.equivalent !== undefined, "a survivor needs `equivalent`");
  expect(
    model.long !== true || (model.kind !== "mutant" && model.smoke !== true),
    "what is long is no mutant, and no part of `make test`",
  );
  expect(model.kind !== "simulation" || model.simulate !== undefined, "a simulation needs `simulate`");
  return problems;
}

/** Names are patterns with `*`, several are separated by commas. An unknown name selects nothing, and is reported. */
export function selectModels(
  models: readonly Model[],
  selection: { readonly names?: string; readonly kind?: string; readonly smoke?: boolean; readonly long?: boolean },
): { readonly selected: readonly Model[]; readonly unknown: readonly string[] } {
  const patterns = (selection.names ?? "*")
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "");
  const matches = (pattern: string, name: string) =>
    new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`).test(name);
  const selected = models.filter(
    (model) =>
      patterns.some((pattern) => matches(pattern, model.name)) &&
      (selection.kind === undefined || model.kind === selection.kind) &&
      (selection.smoke !== true || model.smoke === true) &&
      (selection.long === undefined || selection.long === (model.long === true)),
  );
  const unknown = patterns.filter((pattern) => !models.some((model) => matches(pattern, model.name)));
  return { selected, unknown };
}

/** Writes measured counts and times back, after a deliberate change of a spec. */
export function recordInManifest(
  specsDir: string,
  measured: ReadonlyMap<string, { readonly distinct?: number; readonly seconds: number }>,
): void {
  const path = join(specsDir, manifestFile);
  const lines = readFileSync(path, "utf8").split("\n");
  const rewritten = lines.map((line) => {
    const name = /"name": "([^"]+)"/.exec(line)?.[1];
    const now = name === undefined ? undefined : measured.get(name);
    if (now === undefined) return line;
    const withTime = line.replace(/"seconds": [\d.]+/, `"seconds": ${now.seconds}`);
    return now.distinct === undefined ? withTime : withTime.replace(/"distinct": \d+/, `"distinct": ${now.distinct}`);
  });
  writeFileSync(path, rewritten.join("\n"));
}
