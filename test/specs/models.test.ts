// The models of specs/ that finish in seconds. `make verify` runs all of them.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { differences } from "../../scripts/verify/judge.ts";
import { loadManifest, type Model, selectModels } from "../../scripts/verify/manifest.ts";
import { checkedIn, findTlc, mutate, runTlc, type Tlc, Unavailable } from "../../scripts/verify/tlc.ts";

const root = join(import.meta.dirname, "../..");
const specsDir = join(root, "specs");
const models = loadManifest(specsDir);
const modelSecondsMax = 120;

const tlc = await findTlc(join(root, ".cache", "tlc")).catch((error: unknown): Unavailable => {
  if (error instanceof Unavailable) return error;
  throw error;
});
const missing = tlc instanceof Unavailable ? tlc.message : undefined;
if (missing !== undefined) console.warn(`\nSKIPPED: the smoke models are NOT checked: ${missing}\n`);

describe("specs/manifest.json", () => {
  it("names every cfg in specs/models, and only those", () => {
    const named = new Set(models.map((model) => model.cfg));
    const files = readdirSync(join(specsDir, "models")).map((file) => `models/${file}`);
    expect([...named].sort()).toEqual(files.sort());
  });

  it("has mutations that each change exactly one place", () => {
    for (const model of models) {
      for (const mutation of model.mutate ?? []) {
        const text = readFileSync(join(specsDir, `${mutation.in ?? model.module}.tla`), "utf8");
        expect(mutate(text, mutation, model.name)).not.toBe(text);
      }
    }
  });

  it("takes every action of a module in one of its coverage models", () => {
    for (const module of new Set(models.map((model) => model.module))) {
      const never = models.flatMap((model) =>
        model.module === module && model.neverTaken !== undefined ? [new Set(model.neverTaken)] : [],
      );
      const takenInNone = [...(never[0] ?? [])].filter((action) => never.every((actions) => actions.has(action)));
      expect(takenInNone, module).toEqual([]);
    }
  });
});

/** What is no promise of the protocol, or what no mutant of its own can show. */
const withoutMutant: ReadonlyMap<string, string> = new Map([["TypeOK", "says what values the variables take, not what happens"]]);

describe("each property that a model checks", () => {
  const isChecked = ({ kind }: Model): boolean => kind !== "mutant" && kind !== "witness";
  const killers = models.filter(({ kind, exit }) => kind === "mutant" && exit !== 0);

  it.each([...new Set(models.filter(isChecked).map(({ module }) => module))])("of %s kills a mutant by its name", (module) => {
    const named = new Set(
      models.filter((model) => model.module === module && isChecked(model)).flatMap((model) => checkedIn(specsDir, model)),
    );
    const killing = new Set(killers.filter((model) => model.module === module).map(({ violates }) => violates));
    const vacuous = [...named].filter((name) => !killing.has(nameInReports(module, name)) && !withoutMutant.has(name));
    expect(vacuous, module).toEqual([]);
  });

  it("needs no exception that has a mutant in each module", () => {
    const isNeeded = (name: string): boolean =>
      models.some(
        (model) =>
          isChecked(model) &&
          checkedIn(specsDir, model).includes(name) &&
          !killers.some(({ module, violates }) => module === model.module && violates === name),
      );
    expect([...withoutMutant.keys()].filter((name) => !isNeeded(name))).toEqual([]);
  });
});

/** A refinement is reported as the specification that it is one of. */
function nameInReports(module: string, property: string): string {
  const text = readFileSync(join(specsDir, `${module}.tla`), "utf8");
  const instance = new RegExp(`^${property} == (\\w+)!Spec$`, "m").exec(text)?.[1];
  const of = instance && new RegExp(`^${instance} == INSTANCE (\\w+)`, "m").exec(text)?.[1];
  return of === undefined ? property : `${of}!Spec`;
}

describe("which property can bite in which model", () => {
  const own = models.filter(({ module }) => ["WorkflowManager", "WorkflowClients", "ClientView"].includes(module));
  const readme = readFileSync(join(specsDir, "README.md"), "utf8");
  const named = own.flatMap((model) =>
    model.kind === "mutant" ? [] : checkedIn(specsDir, model).map((name) => `${model.module} ${name}`),
  );

  it.each([...new Set(named)].filter((name) => !/ Never/.test(name)))("%s: as the README says", (name) => {
    const [module = "", property = ""] = name.split(" ");
    const killing = own.filter(({ kind, violates }) => kind === "mutant" && violates === nameInReports(module, property));
    const biting = [...new Set(killing.map(({ cfg }) => cfg.replace(/^models\/|\.cfg$/g, "")))].sort();
    const [, told] = new RegExp(`^\\| \`${property}\` \\| .+ \\| (.+) \\|$`, "m").exec(readme) ?? [];
    expect(told).toBe(biting.map((each) => `\`${each}\``).join(", "));
  });
});

describe("smoke models", () => {
  if (missing !== undefined && process.env["CI"] === "true") {
    it("have what they need", () => expect.fail(`the specs cannot be checked: ${missing}`));
  }

  const { selected } = selectModels(models, { smoke: true });
  it.skipIf(missing !== undefined).each(selected)(
    "$name",
    async (model) => {
      expect(differences(model, await runTlc(tlc as Tlc, specsDir, model, { isShort: true }))).toEqual([]);
    },
    modelSecondsMax * 1000,
  );
});
