// What the generator makes of a module. Whether the models notice is for `make spec-mutants`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadManifest } from "../../scripts/verify/manifest.ts";
import { mutantsOf } from "../../scripts/verify/mutants/mutants.ts";
import { pick } from "../../scripts/verify/mutants/report.ts";
import { loadMutants, modelsOf, problemsOf } from "../../scripts/verify/mutants/survivors.ts";

const specsDir = join(import.meta.dirname, "../../specs");
const read = (name: string): string => readFileSync(join(specsDir, `${name}.tla`), "utf8");

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
