// What the generator makes of a module. Whether the models notice is for `make spec-mutants`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadManifest } from "../../scripts/verify/manifest.ts";
import { runBatch, sizeOf } from "../../scripts/verify/mutants/batch.ts";
import { mutantsOf } from "../../scripts/verify/mutants/mutants.ts";
import { pick } from "../../scripts/verify/mutants/report.ts";
import { loadMutants, modelsOf, problemsOf } from "../../scripts/verify/mutants/survivors.ts";
import { findTlc, runTlc, type Tlc, Unavailable } from "../../scripts/verify/tlc.ts";

const specsDir = join(import.meta.dirname, "../../specs");
const read = (name: string): string => readFileSync(join(specsDir, `${name}.tla`), "utf8");

const runSecondsMax = 120;
const tlc = await findTlc(join(specsDir, "..", ".cache", "tlc")).catch((error: unknown): Unavailable => {
  if (error instanceof Unavailable) return error;
  throw error;
});
const missing = tlc instanceof Unavailable ? tlc.message : undefined;
if (missing !== undefined) console.warn(`\nSKIPPED: mutants of the specs are NOT run: ${missing}\n`);

const door = `---- MODULE Door ----
EXTENDS Naturals
CONSTANT MaxKnocks
VARIABLES door, knocks

\\* door = "open" in a comment is nothing to change.
States == {"open", "shut", "locked"}
NoDoor == [state |-> "shut", by |-> "nobody"]

Init == door = NoDoor /\\ knocks = 0

MayOpen(w) ==
  CASE door.state = "locked" -> FALSE
    [] OTHER -> knocks >= 2

Set(state, w) == door' = [state |-> state, by |-> w]

Open(w) ==
  /\\ \\/ door.state \\in {"shut", "locked"}
     \\/ knocks > 9
  /\\ MayOpen(w) => door.by # w
  /\\ IF w = "ghost" THEN UNCHANGED door ELSE Set("open", w)
  /\\ knocks' = 0

Shut == door' = [door EXCEPT !.state = "shut", !.by = "nobody"] /\\ UNCHANGED knocks

Knock ==
  /\\ \\E n \\in 1..MaxKnocks : knocks' = knocks + n
  /\\ UNCHANGED door

Next == Shut \\/ Knock \\/ \\E w \\in {"ann", "bob"} : Open(w)

Shuttable == door.state = "open"
====
`;

const made = (kind: string): readonly string[] =>
  mutantsOf("Door", () => door)
    .filter((mutant) => mutant.kind === kind)
    .map(({ action, text }) => `${action}: ${text}`);

describe("mutants of a spec", () => {
  it("drop each guard, meet each condition always and never, and leave each arm out", () => {
    expect(made("guard")).toEqual([
      'MayOpen: door.state = "locked" => FALSE',
      'Open: \\/ door.state \\in {"shut", "locked"} \\/ knocks > 9 => TRUE',
      "Open: MayOpen(w) => door.by # w => TRUE",
      'Open: w = "ghost" => TRUE',
      'Open: w = "ghost" => FALSE',
    ]);
  });

  it("drop each update, each path of an EXCEPT and each field of a record", () => {
    expect(made("update")).toEqual([
      "Set: door' = [state |-> state, by |-> w] => UNCHANGED <<door>>",
      'Set: state => "shut"',
      'Set: w => "nobody"',
      'Open: IF w = "ghost" THEN UNCHANGED door ELSE Set("open", w) => UNCHANGED <<door>>',
      "Open: knocks' = 0 => UNCHANGED <<knocks>>",
      'Shut: door\' = [door EXCEPT !.state = "shut", !.by = "nobody"] => UNCHANGED <<door>>',
      'Shut: !.state = "shut", => nothing',
      'Shut: , !.by = "nobody" => nothing',
      "Knock: \\E n \\in 1..MaxKnocks : knocks' = knocks + n => UNCHANGED <<knocks>>",
    ]);
  });

  it("change each comparison, and each text and number in it, in what the steps use and nowhere else", () => {
    expect(made("comparison").map((text) => text.replace(/\[.*\] /, ""))).toEqual([
      "MayOpen: = => #",
      'MayOpen: "locked" => "open"',
      "MayOpen: >= => >",
      "MayOpen: 2 => 3",
      "MayOpen: 2 => 1",
      "Open: \\in => \\notin",
      'Open: "shut" => "open"',
      'Open: "locked" => "open"',
      "Open: > => >=",
      "Open: 9 => 10",
      "Open: 9 => 8",
      "Open: # => =",
      "Open: = => #",
    ]);
  });

  it("are the same for the same seed, and others for another", () => {
    const mutants = mutantsOf("TwoPhaseCommit", read);
    expect(pick(mutants, 10, 1)).toEqual(pick(mutants, 10, 1));
    expect(pick(mutants, 10, 1)).not.toEqual(pick(mutants, 10, 2));
    expect(pick(mutants, 10, 1)).toHaveLength(10);
  });
});

describe("specs/mutants.json", () => {
  const known = [...loadMutants(specsDir)];

  it.each(known)("%s: names models that there are, and survivors that are mutants, each with its reason", (name, ofModule) => {
    expect(modelsOf(loadManifest(specsDir), ofModule).length).toBeGreaterThan(0);
    expect(problemsOf(ofModule, mutantsOf(name, read))).toEqual([]);
  });
});

describe("many mutants in one run", () => {
  it.skipIf(missing !== undefined)(
    "are noticed as each of them is by itself",
    async () => {
      const model = loadManifest(specsDir).find(({ name }) => name === "ac-3p");
      if (model === undefined) throw new Error("no model ac-3p");
      const all = mutantsOf("AtomicCommit", read);
      const { killed, unnoticed } = await runBatch(tlc as Tlc, specsDir, model, "properties", all, 100);
      expect(killed.size + unnoticed.length).toBe(all.length);
      expect(killed.size).toBeGreaterThan(10);
      for (const mutant of [...[...killed.keys()].slice(0, 3), ...unnoticed.slice(0, 2)]) {
        const modules = new Map([["AtomicCommit", mutant.source]]);
        const { violated } = await runTlc(tlc as Tlc, specsDir, model, { modules, isShort: true });
        expect([mutant.text, killed.get(mutant)]).toEqual([mutant.text, violated]);
      }
    },
    runSecondsMax * 1000,
  );

  it.skipIf(missing !== undefined)(
    "are counted: what passes has as many states as the module",
    async () => {
      const model = loadManifest(specsDir).find(({ name }) => name === "ac-3p");
      if (model === undefined) throw new Error("no model ac-3p");
      const size = await sizeOf(tlc as Tlc, specsDir, model);
      expect(size.states).toBe(model.distinct);
      const all = mutantsOf("AtomicCommit", read);
      const { killed, unnoticed } = await runBatch(tlc as Tlc, specsDir, model, size, all, 100);
      expect(killed.size + unnoticed.length).toBe(all.length);
      expect(killed.size).toBeGreaterThan(10);
      for (const mutant of unnoticed) {
        const modules = new Map([["AtomicCommit", mutant.source]]);
        const plain = { ...model, invariants: [], properties: [] };
        expect((await runTlc(tlc as Tlc, specsDir, plain, { modules, isShort: true })).distinct).toBe(size.states);
      }
    },
    runSecondsMax * 1000,
  );

  it.skipIf(missing !== undefined)(
    "are killed by a witness that each of them by itself does not reach, and by no other",
    async () => {
      const model = loadManifest(specsDir).find(({ name }) => name === "ac-reach-all-committed");
      if (model === undefined) throw new Error("no model ac-reach-all-committed");
      const all = mutantsOf("AtomicCommit", read);
      const { killed, unnoticed } = await runBatch(tlc as Tlc, specsDir, model, "witness", all, 100);
      expect(killed.size + unnoticed.length).toBe(all.length);
      expect(killed.size).toBeGreaterThan(0);
      for (const mutant of [...[...killed.keys()].slice(0, 2), ...unnoticed.slice(0, 2)]) {
        const modules = new Map([["AtomicCommit", mutant.source]]);
        const { exit } = await runTlc(tlc as Tlc, specsDir, model, { modules, isShort: true });
        expect([mutant.text, exit === model.exit]).toEqual([mutant.text, unnoticed.includes(mutant)]);
      }
    },
    runSecondsMax * 1000,
  );

  if (missing !== undefined && process.env["CI"] === "true") {
    it("have what they need", () => expect.fail(`the specs cannot be checked: ${missing}`));
  }
});
