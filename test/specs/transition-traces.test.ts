// What the workflow manager does in a transaction, held against specs/AtomicTransition.tla event by event. `node scripts/verify-code.ts --part traces` does
// more of it.

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findTlc, type Tlc, Unavailable } from "../../scripts/verify/tlc.ts";
import { recordManagers } from "../../scripts/verify/traces/manager/record.ts";
import { checkTransitions, rejectionText } from "../../scripts/verify/traces/transition/check.ts";
import { corruptions, corruptTransitions } from "../../scripts/verify/traces/transition/corrupt.ts";
import { transitionsOf } from "../../scripts/verify/traces/transition/merge.ts";

const root = join(import.meta.dirname, "../..");
const tlc = await findTlc(join(root, ".cache", "tlc")).catch((error: unknown): Unavailable => {
  if (error instanceof Unavailable) return error;
  throw error;
});
const missing = tlc instanceof Unavailable ? tlc.message : undefined;
if (missing !== undefined) console.warn(`\nSKIPPED: traces of transitions are NOT checked: ${missing}\n`);

const checkSecondsMax = 240;
/** The first worlds in which all kinds of corruption can be made. */
const worlds = 12;

describe("traces of transitions", () => {
  it.skipIf(missing !== undefined)(
    "are behaviours of the spec, and corrupted ones are rejected at their line",
    async () => {
      const traces = (await recordManagers(worlds)).flatMap(transitionsOf);
      const corrupted = corruptTransitions(traces, 1);
      expect(corrupted.map(({ kind }) => kind)).toEqual(corruptions.map(({ kind }) => kind));
      const rejected = await checkTransitions(tlc as Tlc, [...traces, ...corrupted]);
      const lines = new Map(rejected.map(({ trace, line }) => [trace, line]));
      expect(rejected.filter(({ trace }) => traces.some((each) => each === trace)).map(rejectionText)).toEqual([]);
      expect(corrupted.map((trace) => [trace.kind, lines.get(trace)])).toEqual(corrupted.map(({ kind, line }) => [kind, line]));
    },
    checkSecondsMax * 1000,
  );

  if (missing !== undefined && process.env["CI"] === "true") {
    it("have what they need", () => expect.fail(`traces cannot be checked: ${missing}`));
  }
});
