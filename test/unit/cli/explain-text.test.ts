import { expect, test } from "vitest";
import { explanationLines } from "../../../src/cli/explain-text.ts";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { explain, explainable } from "../../../src/predicate/core/explain.ts";
import { checkOf } from "../../support/rule-values.ts";

function textOf(source: string, metadata = {}): string {
  const ready = explainable(source, ruleVariables);
  if (!ready.ok) throw new Error(JSON.stringify(ready.error));
  const check = checkOf({ workflow: { metadata } });
  return explanationLines(source, explain(ready.value, bindingsOf(check), { left: 1_000_000 })).join("\n");
}

test("each value stands beneath its place", () => {
  const source = "workflow.metadata.temperature < 8 && !has(workflow.metadata.hold) && to == 'COMPLETED'";
  expect(`\n${textOf(source, { temperature: 9.5 })}\n`).toBe(`
workflow.metadata.temperature < 8 && !has(workflow.metadata.hold) && to == 'COMPLETED'
                  |           |      |                      |     |  |  |
                  |           |      |                      |     |  |  (not evaluated)
                  |           |      |                      |     |  (not evaluated)
                  |           |      |                      |     false
                  |           |      |                      (not evaluated)
                  |           |      (not evaluated)
                  |           false
                  9.5

= false

read:
  workflow.metadata.temperature: 9.5
`);
});

test("an error stands where it arose, in an expression of several lines", () => {
  const source = "from == 'ACTIVE' &&\n  workflow.metadata.humidity < 60";
  expect(`\n${textOf(source)}\n`).toBe(`
from == 'ACTIVE' &&
|    |
|    true
"ACTIVE"
  workflow.metadata.humidity < 60
                    |
                    error: field not found: humidity; has(workflow.metadata.humidity) asks whether there is one

= could not be evaluated: line 2, column 21: field not found: humidity; has(workflow.metadata.humidity) asks whether there is one

read:
  from: "ACTIVE"
  workflow.metadata.humidity: (absent)
`);
});

test("a loop tells of its elements, and what is within them", () => {
  const source = "workflow.metadata.rows.all(r, r.all(x, x < 3.0)) || has(workflow.metadata.rows)";
  expect(`\n${textOf(source, { rows: [[1], [2, 5]] })}\n`).toBe(`
workflow.metadata.rows.all(r, r.all(x, x < 3.0)) || has(workflow.metadata.rows)
                  |    |                         |                        |
                  |    |                         |                        true
                  |    |                         true
                  |    false
                  [[1.0], [2.0, 5.0]]

= true

workflow.metadata.rows.all(r, r.all(x, x < 3.0)): looked at 2 elements
  [0] [1.0]
      r.all(x, x < 3.0): true
      r: [1.0]

      r.all(x, x < 3.0): looked at 1 element
        [0] 1.0
            x < 3.0: true
            x: 1.0
  [1] [2.0, 5.0]
      r.all(x, x < 3.0): false
      r: [2.0, 5.0]

      r.all(x, x < 3.0): looked at 2 elements
        [0] 2.0
            x < 3.0: true
            x: 2.0
        [1] 5.0
            x < 3.0: false
            x: 5.0

read:
  workflow.metadata.rows: [[1.0], [2.0, 5.0]]
`);
});

test("nothing in a value moves the cursor, and what is left out is counted", () => {
  expect(textOf("workflow.metadata.text == ''", { text: "a\u202eb" })).toContain('"a\\u202eb"');
  const list = Array.from({ length: 9 }, () => 1);
  const loops = "workflow.metadata.list.all(x, workflow.metadata.list.all(y, workflow.metadata.list.all(z, x + y + z > 0.0)))";
  expect(textOf(loops, { list })).toMatch(/\n\d+ more are not shown$/);
});

test("an expression without anything to tell is shown as it is", () => {
  expect(textOf("true")).toBe("true\n\n= true");
});
