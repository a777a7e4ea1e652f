import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ruleCommand } from "../../../src/cli/rule.ts";
import { ruleFolder } from "../../support/rule-folder.ts";

const rules = `types: [{ name: sample, schema: { type: object, properties: { celsius: { type: number } } } }]
facts: [{ name: is_warm, expression: workflow.metadata.celsius > 8 }, { name: unread, expression: "1" }]
rules:
  - id: cold
    types: [sample]
    moves: [CREATED:ACTIVE]
    expression: >-
      !facts.is_warm
      && workflow.metadata.celsius >= 2
    message: '"it has " + string(workflow.metadata.celsius) + " °C"'
  - id: named
    types: [smaple]
    condition: has(workflow.metadata.note)
    expression: workflow.metadata.note.size() > 0
    action: warn
  - id: contradiction
    moves: [ACTIVE:PAUSED]
    expression: workflow.version > 3 && workflow.version < 2
tests:
  - name: "5 °C & <fine> #1"
    workflow: { type: sample, state: CREATED, metadata: { celsius: 5 } }
    to: ACTIVE
    expect: allowed
  - name: warm is fine
    workflow: { type: sample, state: CREATED, metadata: { celsius: 9 } }
    to: ACTIVE
    expect: allowed
  - name: no number
    workflow: { type: sample, state: CREATED, metadata: { celsius: cold } }
    to: ACTIVE
    expect: { denied_by: { cold: it is not known } }
  - name: no move
    workflow: { type: sample, state: COMPLETED }
    to: ACTIVE
    expect: invalid
`;

const wrong = `facts: [{ name: a, expression: facts.b }, { name: b, expression: facts.a }]
types: [{ name: s, schema: { type: objct } }]
rules:
  - id: folded
    expression: >-
      workflow.state == "ACTIVE" &&

      workflow.stat == "x"
  - id: literal
    moves: [CREATED:PAUSED]
    expression: |
      workflow.state == "ACTIVE" &&
        (request.reason
  - { id: draft, state: draft, expression: "to == 'ACTVE'", message: "\\"a\\" + 1 +" }
`;

let folder: ReturnType<typeof ruleFolder>;
const written = { out: "", err: "" };
beforeEach(() => {
  folder = ruleFolder({ "rules.yaml": rules, "wrong.yaml": wrong });
  Object.assign(written, { out: "", err: "" });
  for (const [stream, key] of [
    [process.stdout, "out"],
    [process.stderr, "err"],
  ] as const) {
    vi.spyOn(stream, "write").mockImplementation((text) => {
      written[key] += String(text).replaceAll(`${folder.path}/`, "");
      return true;
    });
  }
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  folder.remove();
});

async function run(verb: string, file: string, ...options: readonly string[]) {
  await ruleCommand().parseAsync([verb, ...options, join(folder.path, file)], { from: "user" });
  return { ...written, exitCode: process.exitCode };
}

const unknown =
  'rule "cold" could not be evaluated: line 1, column 16: fact "is_warm", line 1, column 27: found no matching overload';

describe("concord rule test", () => {
  test("shows each test, of those that fail what the rules have said, and what no test has seen", async () => {
    const { out, exitCode } = await run("test", "rules.yaml", "--coverage");
    expect(exitCode).toBe(1);
    const lines = out.split("\n");
    expect(lines.map((line) => line.replace(/ for '_>_'.*/, ""))).toEqual([
      "      TEST              VERDICT",
      "pass  5 °C & <fine> #1  allowed",
      "FAIL  warm is fine      denied by cold",
      "FAIL  no number         denied by cold",
      "pass  no move           invalid",
      "",
      'rules.yaml:24:11: error: test "warm is fine": expected it to be allowed, but it was denied by "cold" (it has 9 °C)',
      "  24 |   - name: warm is fine",
      "     |           ^",
      '  rule "cold" does not hold: it has 9 °C',
      "",
      `rules.yaml:28:11: error: test "no number": expected rule "cold" to say: it is not known; but it says: ${unknown}`,
      "  28 |   - name: no number",
      "     |           ^",
      `  ${unknown}`,
      "",
      "RULE           HELD  DID NOT HOLD  NOT EVALUATED  DID NOT APPLY  OUTCOMES OF BRANCHES",
      "cold           1     1             1              -              7 of 8",
      "contradiction  0     0             0              -              -",
      "named          0     0             0              0              -",
      "",
      "rules.yaml:9:36: never false: workflow.metadata.celsius >= 2",
      "",
      "4 tests: 2 passed, 2 failed",
      "3 rules: 1 seen both holding and not holding",
      "no test sees holding: contradiction, named",
      "no test sees not holding: contradiction, named",
      "no test sees not applying: named",
      "",
    ]);
  });

  test("explains what the rules came to that do not hold, and their facts, if it is asked to", async () => {
    const { out } = await run("test", "rules.yaml", "--explain");
    const lines = out.split("\n");
    const at = lines.indexOf('  rule "cold" does not hold: it has 9 °C');
    expect(lines.slice(at + 1, at + 16)).toEqual([
      "",
      '  rule "cold":',
      "    !facts.is_warm && workflow.metadata.celsius >= 2",
      "    |      |       |                    |       |",
      "    |      |       |                    |       (not evaluated)",
      "    |      |       |                    (not evaluated)",
      "    |      |       false",
      "    |      true",
      "    false",
      "",
      "    = false",
      "",
      "    read:",
      "      facts.is_warm: true",
      "",
    ]);
    expect(lines.filter((line) => line.endsWith(":"))).toEqual([
      '  rule "cold":',
      "    read:",
      '  the message of rule "cold":',
      "    read:",
      '  fact "is_warm":',
      "    read:",
      '  rule "cold":',
      "    read:",
      '  fact "is_warm":',
      "    read:",
    ]);
  });

  test("tells it as JUnit does", async () => {
    const { out } = await run("test", "rules.yaml", "--format", "junit");
    expect(out.split("\n").map((line) => line.replace(/it says: .*"\/>$/, 'it says: …"/>'))).toEqual([
      '<?xml version="1.0" encoding="UTF-8"?>',
      '<testsuites tests="4" failures="2">',
      '  <testsuite name="rules" tests="4" failures="2" errors="0" skipped="0">',
      '    <testcase classname="rules" name="5 °C &amp; &lt;fine&gt; #1" file="rules.yaml" line="20"/>',
      '    <testcase classname="rules" name="warm is fine" file="rules.yaml" line="24">',
      '      <failure message="expected it to be allowed, but it was denied by &quot;cold&quot; (it has 9 °C)"/>',
      "    </testcase>",
      '    <testcase classname="rules" name="no number" file="rules.yaml" line="28">',
      '      <failure message="expected rule &quot;cold&quot; to say: it is not known; but it says: …"/>',
      "    </testcase>",
      '    <testcase classname="rules" name="no move" file="rules.yaml" line="32"/>',
      "  </testsuite>",
      "</testsuites>",
      "",
    ]);
  });

  test("tells it as the Test Anything Protocol has it", async () => {
    const { out } = await run("test", "rules.yaml", "--format", "tap");
    expect(out.split("\n").slice(0, 8)).toEqual([
      "TAP version 14",
      "1..4",
      "ok 1 - 5 °C & <fine> \\#1",
      "not ok 2 - warm is fine",
      "  ---",
      '  message: "expected it to be allowed, but it was denied by \\"cold\\" (it has 9 °C)"',
      '  at: "rules.yaml:24:11"',
      "  ...",
    ]);
  });

  test.each(["wrong.yaml", "none.yaml"])("runs nothing of files that are wrong: %s", async (file) => {
    const { out, err, exitCode } = await run("test", file);
    expect([out, exitCode]).toEqual(["", 1]);
    expect(err).toContain(`${file}`);
  });
});

describe("concord rule lint", () => {
  test("tells what a server would refuse, each at its place", async () => {
    const { out, err, exitCode } = await run("lint", "wrong.yaml");
    expect([out, exitCode]).toEqual(["3 rules, 2 facts, 1 type, 0 tests: 7 errors, 0 warnings\n", 1]);
    expect(err.split("\n").filter((line) => line.startsWith("wrong"))).toEqual([
      "wrong.yaml:1:32: error: facts must not read each other in a circle: a → b → a",
      'wrong.yaml:2:28: error: #/type: there is no type "objct"; write object',
      expect.stringMatching(/^wrong.yaml:8:16: error: unknown field "stat" of workflow/),
      "wrong.yaml:10:13: error: the lifecycle has no such move, so the rule would never be asked about it",
      'wrong.yaml:13:24: error: expected an operator or ")", found the end',
      expect.stringMatching(/^wrong.yaml:14:51: error: to is never "ACTVE"/),
      "wrong.yaml:14:82: error: expected an expression, found the end",
    ]);
    expect(err.split("\n").slice(6, 9)).toEqual([
      expect.stringContaining("wrong.yaml:8:16"),
      '   8 |       workflow.stat == "x"',
      "     |                ^",
    ]);
  });

  test("warns of what is hardly meant, and shows what rules cost", async () => {
    const { out, err, exitCode } = await run("lint", "rules.yaml", "--costs");
    expect(exitCode).toBeUndefined();
    expect(err.split("\n").filter((line) => line.startsWith("rules"))).toEqual([
      'rules.yaml:2:79: warning: nothing reads the fact "unread"',
      'rules.yaml:12:13: warning: no type "smaple" is described; did you mean "sample"?',
      expect.stringMatching(/^rules.yaml:16:9: warning: rule "contradiction" can never hold/),
      'rules.yaml:29:57: warning: not as the type "sample" has it: metadata.celsius is "cold", must be a number',
    ]);
    expect(out.split("\n")).toEqual([
      "RULE           UNITS AT LEAST  AT MOST",
      "cold           9               no bound is known",
      "contradiction  9               9",
      "named          9               4109",
      "",
      "3 rules, 2 facts, 1 type, 4 tests: 0 errors, 4 warnings",
      "",
    ]);
  });

  test("warns of a fact that reads what no described type has, and of no other", async () => {
    const facts = `
facts:
  - { name: slip, expression: workflow.metadata.celcius > 8.0 }
  - { name: guarded, expression: "has(workflow.metadata.celcius)" }
  - { name: either, expression: 'workflow.type == "sample" ? workflow.metadata.celsius : workflow.metadata.wells' }
  - { name: as_doubles, expression: workflow.metadata.wells + 1.0 > 3.0 }
rules: [{ id: r, expression: 'facts.slip || facts.guarded || facts.either > 3 || facts.as_doubles' }]
`;
    const types = (plate: string) => `types:
  - { name: sample, schema: { type: object, properties: { celsius: { type: number } } } }
  - { name: plate${plate} }${facts}`;
    const schema = ", schema: { type: object, properties: { wells: { type: integer } } }";
    writeFileSync(join(folder.path, "closed.yaml"), types(schema));
    writeFileSync(join(folder.path, "open.yaml"), types(""));
    const { err } = await run("lint", "closed.yaml");
    expect(err.split("\n").filter((line) => line.startsWith("closed"))).toEqual(
      ["5:49", "6:57"].map(
        (place) =>
          `closed.yaml:${place}: warning: no type that is described has it: unknown field "celcius" of workflow.metadata; did you mean "celsius"?`,
      ),
    );
    written.err = "";
    expect((await run("lint", "open.yaml")).err).toBe("");
  });

  test("counts one as one", async () => {
    writeFileSync(join(folder.path, "one.yaml"), "rules: [{ id: one, expression: 'has(workflow.metadata.n)' }]\n");
    expect((await run("lint", "one.yaml")).out).toBe("1 rule, 0 facts, 0 types, 0 tests: 0 errors, 0 warnings\n");
    written.out = "";
    expect((await run("test", "one.yaml")).out).toContain("\n0 tests: 0 passed, 0 failed\n1 rule: 0 seen both");
  });

  test("with -o json prints each problem as a line of JSON", async () => {
    const { out, err, exitCode } = await run("lint", "wrong.yaml", "-o", "json");
    const problems = out
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    expect({ err, exitCode }).toEqual({ err: "", exitCode: 1 });
    expect(problems).toContainEqual({
      severity: "error",
      file: "wrong.yaml",
      line: 8,
      column: 16,
      message: expect.stringContaining('unknown field "stat"'),
    });
    Object.assign(written, { out: "" });
    process.exitCode = undefined;
    const warned = await run("lint", "rules.yaml", "-o", "json");
    expect(warned.exitCode).toBeUndefined();
    expect(JSON.parse(warned.out.split("\n")[0] ?? "")).toMatchObject({ severity: "warning", file: "rules.yaml" });
    Object.assign(written, { out: "" });
    expect((await run("lint", "none.yaml", "-o", "json")).out).toMatch(/^\{"severity":"error","file":"none.yaml",/);
  });

  test("tells what is no rule file at all", async () => {
    const { err, exitCode } = await run("lint", "none.yaml");
    expect([err, exitCode]).toEqual(["none.yaml: error: there is no such file or folder\n", 1]);
  });
});
