// The models of specs/ that finish in seconds. `make verify` runs all of them.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { differences } from "../../scripts/verify/judge.ts";
import { loadManifest, selectModels } from "../../scripts/verify/manifest.ts";
import { findTlc, mutate, runTlc, type Tlc, Unavailable } from "../../scripts/verify/tlc.ts";

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

describe("smoke models", () => {
  if (missing !== undefined && process.env["CI"] === "true") {
    it("have what they need", () => expect.fail(`the specs cannot be checked: ${missing}`));
  }

  const { selected } = selectModels(models, { smoke: true });
  it.skipIf(missing !== undefined).each(selected)(
    "$name",
    async (model) => {
      expect(differences(model, await runTlc(tlc as Tlc, specsDir, model))).toEqual([]);
    },
    modelSecondsMax * 1000,
  );
});
