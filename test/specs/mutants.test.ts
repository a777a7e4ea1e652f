// What the generator makes of a module. Whether the models notice is for `make spec-mutants`.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadManifest } from "../../scripts/verify/manifest.ts";
import { askedBy, runBatch, sizeOf } from "../../scripts/verify/mutants/batch.ts";
import { isCompared } from "../../scripts/verify/mutants/compared.ts";
import { keyOf } from "../../scripts/verify/mutants/keys.ts";
import { mutantsOf } from "../../scripts/verify/mutants/mutants.ts";
import { pick } from "../../scripts/verify/mutants/report.ts";
import { sampledModels } from "../../scripts/verify/mutants/sample.ts";
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

  it.each(known)("%s: a sample asks only what answers of many mutants at once", (name, ofModule) => {
    const sampled = sampledModels(loadManifest(specsDir), name, ofModule);
    expect(sampled.length).toBeGreaterThan(0);
    expect(sampled.filter((model) => !isCompared(model) && !["properties", "witness"].includes(askedBy(model) ?? ""))).toEqual(
      [],
    );
  });
});

describe("what is known of a mutant", () => {
  const mutant = { module: "TwoPhaseCommit", action: "RecvAck", text: "OnePhase => TRUE" };

  /** The keys of a model with and without a mutant, before and after a text of a file below specs/ is replaced. */
  function keysAround(name: string, file: string, find: string, replace: string): readonly (readonly string[])[] {
    const model = loadManifest(specsDir).find((each) => each.name === name);
    if (model === undefined) throw new Error(`no model ${name}`);
    const dir = mkdtempSync(join(tmpdir(), "concord-keys-"));
    try {
      cpSync(specsDir, dir, { recursive: true });
      const text = readFileSync(join(dir, file), "utf8");
      expect(text.split(find)).toHaveLength(2);
      writeFileSync(join(dir, file), text.replace(find, replace));
      return [specsDir, dir].map((from) => [keyOf(from, model), keyOf(from, model, mutant)]);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  const commit = "TwoPhaseCommit.tla";

  it.each([
    ["an action", "2pc-0p", commit, "/\\ e = 1\n", "/\\ e = 2\n"],
    ["what an action uses", "2pc-0p", commit, 'rec |-> "none", epoch |-> 0', 'rec |-> "none", epoch |-> 1'],
    ["a property that it checks", "2pc-0p", commit, "[][fence' >= fence]_vars", "[][fence' > fence]_vars"],
    ["what a refinement is to", "2pc-0p", "AtomicCommit.tla", "/\\ Participants = {p}\n", ""],
    ["an assumption", "2pc-0p", commit, "MaxLoss \\in Nat", "MaxLoss \\in {0}"],
    ["its instance", "2pc-0p", "models/2pc-0p.cfg", "MaxEpoch = 2", "MaxEpoch = 3"],
    ["an action of an instance", "at-stranger", commit, "/\\ e = 1\n", "/\\ e = 2\n"],
    ["what an instance is given", "at-stranger", "AtomicTransition.tla", "losses <- 0,", "losses <- 1,"],
    [
      "what an instance takes unasked",
      "at-stranger",
      "AtomicTransition.tla",
      'IF r # Transition THEN "none"',
      'IF r # Transition THEN "away"',
    ],
    ["what the module extends", "cv-calls", "WorkflowManager.tla", "/\\ up\n  /\\ ~Preparing(r)", "/\\ ~Preparing(r)"],
  ])("does not outlive a change of %s", (_, name, file, find, replace) => {
    const [before = [], after = []] = keysAround(name, file, find, replace);
    expect(new Set([...before, ...after]).size).toBe(4);
  });

  it.each([
    ["a property that it does not check", "2pc-0p", commit, "<>[]EveryoneDone", "<>EveryoneDone"],
    ["the list of properties where the model has its own", "2pc-reach-commit", "models/2pc-2p-2e.cfg", "  Refinement\n", ""],
    ["a property of an instance", "at-stranger", commit, "[][fence' >= fence]_vars", "[][fence' > fence]_vars"],
    ["the comments of an action", "2pc-0p", commit, "/\\ e = 1\n", "/\\ e = 1 \\* The first.\n  \\* And nothing else.\n"],
    ["the comments between", "2pc-0p", commit, "\n\nNext ==", "\n\n(* What can happen. *)\nNext =="],
  ])("outlives a change of %s", (_, name, file, find, replace) => {
    const [before, after] = keysAround(name, file, find, replace);
    expect(after).toEqual(before);
  });
});

it("keeps what is known of a mutant when only the note, the time or the set that a model is of changes", () => {
  const [model] = loadManifest(specsDir);
  if (model === undefined) throw new Error("no model");
  const mutant = { module: model.module, action: "Begin", text: "e = 1 => TRUE" };
  expect(keyOf(specsDir, { ...model, note: "another", seconds: 1, smoke: model.smoke !== true }, mutant)).toBe(
    keyOf(specsDir, model, mutant),
  );
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
