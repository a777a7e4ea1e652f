import fc from "fast-check";
import type { JsonObject } from "../../src/kernel/json.ts";

/** Metadata that the expressions below find something in, or not. */
export const randomMetadata: fc.Arbitrary<JsonObject> = fc.dictionary(
  fc.constantFrom("a", "b", "list", "text"),
  fc.oneof(
    fc.integer({ min: -3, max: 12 }),
    fc.constantFrom("x", "y", "lab", "", "x".repeat(100)),
    fc.boolean(),
    fc.constant(null),
    fc.constant({ b: 1 }),
    fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constantFrom("x", "long ".repeat(20))), { maxLength: 8 }),
  ),
);

/** Of any type, with loops and functions; some fail. */
export const randomExpressions: fc.Arbitrary<string> = fc.letrec<{ value: string; list: string; bool: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(
      "1",
      "2.0",
      "'x'",
      "'some longer text here'",
      "workflow.metadata.a",
      "workflow.metadata.text",
      "request.reason",
      "x",
      "from",
    ),
    tie("bool"),
    tie("list"),
    fc.tuple(tie("value"), tie("value")).map(([a, b]) => `(${a} + ${b})`),
    fc.tuple(tie("bool"), tie("value"), tie("value")).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    tie("value").map((a) => `size(${a})`),
    tie("value").map((a) => `string(${a})`),
    fc.tuple(tie("value"), tie("value")).map(([a, b]) => `(${a}).replace('x', string(${b}))`),
    fc.tuple(tie("value"), tie("value")).map(([a, b]) => `cel.bind(x, ${a}, ${b})`),
    tie("value").map((a) => `optional.of(${a}).orValue('x')`),
    tie("list").map((a) => `${a}.join('x')`),
    tie("list").map((a) => `${a}[0]`),
    tie("value").map((a) => `workflow.metadata.?list.orValue(${a})`),
  ),
  list: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom("[1, 2, 3]", "['x', 'lab']", "workflow.metadata.list", "lists.range(4)", "workflow.metadata.text.split('o')"),
    fc.array(tie("value"), { maxLength: 3 }).map((all) => `[${all.join(", ")}]`),
    fc.tuple(tie("list"), tie("list")).map(([a, b]) => `(${a} + ${b})`),
    fc.tuple(tie("list"), tie("value")).map(([a, b]) => `${a}.map(x, ${b})`),
    fc.tuple(tie("list"), tie("value")).map(([a, b]) => `${a}.transformList(i, x, ${b})`),
    fc.tuple(tie("list"), tie("bool")).map(([a, b]) => `${a}.filter(x, ${b})`),
    fc.tuple(tie("list"), fc.constantFrom("sort", "distinct", "reverse", "flatten")).map(([a, name]) => `${a}.${name}()`),
    fc.tuple(tie("list"), tie("value")).map(([a, b]) => `${a}.sortBy(x, ${b})`),
  ),
  bool: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom("true", "false", "workflow.metadata.b", "has(workflow.metadata.a)"),
    fc.tuple(tie("bool"), fc.constantFrom("&&", "||"), tie("bool")).map(([a, operator, b]) => `(${a} ${operator} ${b})`),
    // What has the wrong type may be a number with a sign, which is not read behind another one.
    tie("bool").map((a) => (a.startsWith("-") ? `!(${a})` : `!${a}`)),
    fc.tuple(tie("value"), fc.constantFrom("==", "!=", "<", ">="), tie("value")).map((all) => `(${all.join(" ")})`),
    fc.tuple(tie("value"), tie("list")).map(([a, b]) => `(${a} in ${b})`),
    fc
      .tuple(tie("list"), fc.constantFrom("all", "exists", "exists_one"), tie("bool"))
      .map(([a, name, b]) => `${a}.${name}(x, ${b})`),
    fc.tuple(tie("list"), tie("bool")).map(([a, b]) => `${a}.all(i, x, ${b})`),
    tie("value").map((a) => `string(${a}).matches('^[a-z]+x{3}$')`),
    fc.tuple(tie("value"), tie("value")).map(([a, b]) => `string(${a}).contains(string(${b}))`),
    fc.tuple(tie("list"), tie("list")).map(([a, b]) => `sets.intersects(${a}, ${b})`),
  ),
})).value;
