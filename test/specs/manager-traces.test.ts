// What the workflow manager does, held against specs/WorkflowManager.tla line by line. `node scripts/verify-code.ts --part traces` does more of it.

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findTlc, type Tlc, Unavailable } from "../../scripts/verify/tlc.ts";
import { checkManagerTraces, rejectionText } from "../../scripts/verify/traces/manager/check.ts";
import { corruptions, corruptManager } from "../../scripts/verify/traces/manager/corrupt.ts";
import { stepsOf } from "../../scripts/verify/traces/manager/steps.ts";
import { playManager } from "../../scripts/verify/traces/manager/world.ts";

const root = join(import.meta.dirname, "../..");
const tlc = await findTlc(join(root, ".cache", "tlc")).catch((error: unknown): Unavailable => {
  if (error instanceof Unavailable) return error;
  throw error;
});
const missing = tlc instanceof Unavailable ? tlc.message : undefined;
if (missing !== undefined) console.warn(`\nSKIPPED: traces of the manager are NOT checked: ${missing}\n`);

const checkSecondsMax = 240;
const play = (seeds: number, requests: number) =>
  Promise.all(Array.from({ length: seeds }, async (_, seed) => stepsOf(`world ${seed}`, await playManager(seed, requests))));

describe("traces of the workflow manager", () => {
  it("are the same for the same seed", async () => {
    expect(stepsOf("", await playManager(7, 12))).toEqual(stepsOf("", await playManager(7, 12)));
  });

  it("can be corrupted in many ways, each at one line", async () => {
    const traces = await play(60, 18);
    const corrupted = corruptManager(traces, 1);
    expect(corrupted.map(({ kind }) => kind)).toEqual(corruptions.map(({ kind }) => kind));
    expect(corruptions.length).toBeGreaterThan(20);
    expect(corrupted.filter(({ steps, line }) => line < 1 || line > steps.length)).toEqual([]);
  });

  it.skipIf(missing !== undefined)(
    "are behaviours of the spec, and corrupted ones are rejected at their line",
    async () => {
      const traces = await play(10, 14);
      const corrupted = corruptManager(traces, 1);
      const rejected = await checkManagerTraces(tlc as Tlc, [...traces, ...corrupted]);
      const lines = new Map(rejected.map(({ trace, line }) => [trace, line]));
      expect(rejected.filter(({ trace }) => traces.includes(trace)).map(rejectionText)).toEqual([]);
      expect(corrupted.map((trace) => [trace.kind, lines.get(trace)])).toEqual(corrupted.map(({ kind, line }) => [kind, line]));
      expect(corrupted.length).toBeGreaterThan(15);
    },
    checkSecondsMax * 1000,
  );

  if (missing !== undefined && process.env["CI"] === "true") {
    it("have what they need", () => expect.fail(`traces cannot be checked: ${missing}`));
  }
});
