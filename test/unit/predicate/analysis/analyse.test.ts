import { describe, expect, test } from "vitest";
import { analyseSteps } from "../../../../src/predicate/core/analysis/analyse.ts";
import { analyse, analysedRule, type WrittenRule } from "../../../support/analysed-rules.ts";

const messagesOf = (...rules: readonly WrittenRule[]) => analyse(rules).map(({ message }) => message);
const typesOf = (...rules: readonly WrittenRule[]) => analyse(rules).map(({ type }) => type);
const a = "workflow.metadata.a";
const onComplete = [{ from: undefined, to: "COMPLETED" }] as const;

describe("a rule for itself", () => {
  test.each([
    ["numbers", "workflow.metadata.a < 5 && workflow.metadata.a > 10"],
    ["numbers of several types", "workflow.metadata.a == 5u && workflow.metadata.a < 5.0"],
    ["a constant on the left", "5 < workflow.metadata.a && 3 >= workflow.metadata.a"],
    ["a value on the left", "1 == workflow.metadata.a && 2 == workflow.metadata.a"],
    ["two values", "workflow.metadata.a == 'x' && workflow.metadata.a == 'y'"],
    ["two values of what is computed", "workflow.metadata.a.lowerAscii() == 'x' && workflow.metadata.a.lowerAscii() == 'y'"],
    ["two types", "workflow.metadata.a == 'x' && workflow.metadata.a < 5"],
    ["lists of values", "workflow.metadata.a in ['x', 'y'] && !(workflow.metadata.a in ['y', 'x', 'z'])"],
    ["no values", "workflow.metadata.a in []"],
    [
      "all that a bool can be",
      "workflow.metadata.a != true && workflow.metadata.a != false && (workflow.metadata.a || true) && !workflow.metadata.a",
    ],
    ["a bound and its hole", "workflow.metadata.a <= 5 && workflow.metadata.a >= 5 && workflow.metadata.a != 5"],
    ["texts by code point", "workflow.metadata.a > '\\uFFFD' && workflow.metadata.a < '\\uFFFC'"],
    ["ends that exclude each other", "workflow.metadata.a > 5 && workflow.metadata.a <= 5"],
    ["ends that exclude each other, the other way", "workflow.metadata.a < 5 && workflow.metadata.a >= 5"],
    ["what is not less, and is not there", "!(workflow.metadata.a < 5) && !has(workflow.metadata.a)"],
    ["times", "now < timestamp('2026-01-01T00:00:00Z') && now > timestamp('2026-06-01T00:00:00Z')"],
    ["spans of time", "now - workflow.updated_at > duration('2h') && now - workflow.updated_at <= duration('60m')"],
    ["a size below 0", "size(workflow.metadata.a) < 0"],
    ["a field that is there and is not", "!has(workflow.metadata.a) && workflow.metadata.a != 1"],
    [
      "a field that is there and is not, beside one that may be",
      "!has(workflow.metadata.a) && workflow.metadata.a != 1 && workflow.metadata.?b.hasValue()",
    ],
    ["a field of what is no map", "workflow.metadata.a.b == 1 && workflow.metadata.a == 2"],
    ["a field of what is not there", "has(workflow.metadata.a.b) && !has(workflow.metadata.a)"],
    ["the same, asked twice", "workflow.metadata.tags.all(t, t != 'x') && !workflow.metadata.tags.all(t, t != 'x')"],
    ["the same with !=", "workflow.metadata.a == workflow.metadata.b && workflow.metadata.a != workflow.metadata.b"],
    ["a choice", "workflow.metadata.a > 5 ? workflow.metadata.a < 3 : workflow.metadata.a > 7"],
    ["no bool", "workflow.metadata.a && workflow.metadata.a < 5"],
    ["null", "workflow.metadata.a == null && workflow.metadata.a < 5"],
    ["null, which it is not", "workflow.metadata.a != null && workflow.metadata.a == null"],
    ["one of two bools, which it is not", "workflow.metadata.a != true && workflow.metadata.a == true"],
    ["a field of what is sent along", "!has(request.context.a) && request.context.a == 1"],
    ["a field of what came with the last event", "!has(last_event.metadata.a) && last_event.metadata.a == 1"],
    ["a text among numbers", "workflow.metadata.a in ['3', 5] && workflow.metadata.a < 4"],
  ])("can never hold: %s", (_, expression) => {
    expect(typesOf({ expression })).toContain("never-holds");
  });

  test.each([
    ["between", "workflow.metadata.a > 5 && workflow.metadata.a < 10"],
    ["another type", "workflow.metadata.a != 5 && !(workflow.metadata.a in [4, 6])"],
    ["either", "workflow.metadata.a < 5 || workflow.metadata.a > 10"],
    ["another term", "workflow.metadata.a < 5 && workflow.metadata.b > 10"],
    ["no number", "!(workflow.metadata.a < 5) && !(workflow.metadata.a >= 5)"],
    ["ends that meet", "workflow.metadata.a <= 5 && workflow.metadata.a >= 5"],
    ["a number between ints", "workflow.metadata.a > 1 && workflow.metadata.a < 2"],
    ["bytes", "workflow.metadata.a == b'x' && workflow.metadata.b == b'x'"],
    ["what both lists have", "workflow.metadata.a in ['x', 'y'] && workflow.metadata.a in ['y', 'z']"],
    ["no bool, and null", "workflow.metadata.a != true && workflow.metadata.a == null"],
    ["not null, and a bool", "workflow.metadata.a != null && workflow.metadata.a"],
    ["not these bytes, and a number", "workflow.metadata.a != b'x' && workflow.metadata.a == 3"],
    ["these bytes or others, and no number", "workflow.metadata.a == b'x' && workflow.metadata.a != 3"],
    ["a list", "size(workflow.metadata.a) == 2 && workflow.metadata.a != 3 && workflow.metadata.a != 'x'"],
    [
      "messages with other fields",
      "now - workflow.created_at == google.protobuf.Duration{seconds: 1} && now - workflow.created_at != google.protobuf.Duration{nanos: 1}",
    ],
    ["a field of a time", "has(workflow.created_at.seconds) && workflow.created_at < now"],
    ["an empty list", "size(workflow.metadata.a) == 0"],
    ["a span of time", "now - workflow.updated_at > duration('1h')"],
    ["a time that is read", "timestamp(workflow.metadata.a) > timestamp('2026-01-01T00:00:00Z')"],
    ["no state before", "workflow.previous_state == ''"],
    ["a state before", "workflow.previous_state == 'ACTIVE'"],
    ["a set, which is in no list", "sets.contains(workflow.metadata.a, ['x']) && workflow.metadata.a != 'x'"],
    ["a value of one of two", "1 in [workflow.metadata.a, workflow.metadata.b] && workflow.metadata.a == 2"],
    ["a bool before another", "workflow.metadata.a < true && workflow.metadata.a == false"],
    ["of lists that look alike", "workflow.metadata.a == ['x, y'] && workflow.metadata.a != ['x', 'y']"],
  ])("may hold: %s", (_, expression) => {
    expect(analyse([{ expression }])).toEqual([]);
  });

  test("for any of its moves, however many it names", () => {
    const moves = (["COMPLETED", "PAUSED"] as const).map((to) => ({ from: undefined, to }));
    expect(typesOf({ expression: "workflow.metadata.a == 1 && workflow.metadata.a == 2", moves })).toContain("never-holds");
    expect(typesOf({ expression: "to == 'FAILED'", moves })).toContain("never-holds");
    expect(typesOf({ expression: "to == 'PAUSED' || to == 'COMPLETED' && workflow.metadata.a == 1", moves })).toEqual([]);
  });

  test("for one of its moves", () => {
    expect(analyse([{ expression: "to != 'COMPLETED'" }])).toEqual([
      {
        type: "never-holds",
        ruleIds: ["rule-0"],
        moves: [{ from: "ACTIVE", to: "COMPLETED" }],
        message: 'rule "rule-0" can never hold for ACTIVE to COMPLETED',
      },
    ]);
  });

  test.each(["from == 'PAUSED'", "workflow.state == 'PAUSED'", "to == 'PAUSED'"])("for all of its moves: %s", (expression) => {
    expect(messagesOf({ expression, moves: onComplete })).toEqual([
      'rule "rule-0" can never hold: it is false, or fails, for each of its moves',
    ]);
  });

  test("when its condition is met", () => {
    expect(messagesOf({ condition: "workflow.metadata.a == 1", expression: "workflow.metadata.a == 2" })).toEqual([
      'rule "rule-0" can never hold when its condition is met: it is false, or fails, for each of its moves',
    ]);
  });

  test.each([
    ["a move that it is not about", { expression: "to != 'COMPLETED'", moves: [{ from: "PAUSED", to: undefined }] }],
    ["what is always there", { expression: "workflow.version >= 0 || workflow.version < 0" }],
    ["what is there and is equal, or is not", { expression: `!has(${a}) || ${a} == 1 || ${a} != 1` }],
    ["a field that is there or not", { expression: "has(workflow.metadata.a) || !has(workflow.metadata.a)" }],
    ["its condition", { condition: "workflow.metadata.a == 2", expression: "workflow.metadata.a < 3" }],
  ] satisfies [string, WrittenRule][])("never denies: %s", (_, rule) => {
    // A condition that can fail may deny.
    expect(typesOf(rule)).toEqual("condition" in rule ? [] : ["never-denies"]);
  });

  test("never denies when its condition is met, which cannot fail", () => {
    const rule = { condition: "has(workflow.metadata.a)", expression: "has(workflow.metadata.a)" };
    expect(messagesOf(rule)).toEqual(['rule "rule-0" is true for each of its moves: it never denies one']);
  });

  test.each([
    ["what may fail", "workflow.metadata.a < 5 || workflow.metadata.a >= 5"],
    ["a size, which may fail", "size(workflow.metadata.a) >= 0"],
    ["what may cost too much", "true || workflow.metadata.a.all(x, workflow.metadata.a.all(y, x != y))"],
  ])("may deny: %s", (_, expression) => {
    expect(typesOf({ expression })).not.toContain("never-denies");
  });

  test("never denies, as long as that costs no more than an evaluation may", () => {
    const costing = (cost: number) => typesOf({ expression: `true || lists.range(${cost - 11}).size() > 0` });
    expect([costing(100_000), costing(100_001)]).toEqual([["never-denies", "unreachable"], ["unreachable"]]);
  });

  test("that does not apply to some of its moves is not said to be wrong for these", () => {
    expect(analyse([{ condition: "from == 'PAUSED'", expression: `${a} > 1` }])).toEqual([]);
  });

  test("its condition is never met", () => {
    expect(messagesOf({ condition: "from == 'PAUSED'", expression: "workflow.metadata.a", moves: onComplete })).toEqual([
      'the condition of rule "rule-0" is not met for any of its moves',
    ]);
  });

  test.each(["false", `false && ${a}`, "to == 'FAILED'"])("a rule for no move says nothing: %s", (expression) => {
    expect(analyse([{ expression, moves: [{ from: "COMPLETED", to: undefined }] }])).toEqual([]);
  });

  test("what is wrong with all of it comes before what is wrong with a part of it", () => {
    const moves = [{ from: "ACTIVE", to: "COMPLETED" }] as const;
    expect(analyse([{ expression: `false && (${a} || workflow.metadata.b)`, moves }])).toEqual([
      expect.objectContaining({ type: "never-holds", moves }),
      {
        type: "unreachable",
        ruleIds: ["rule-0"],
        moves,
        place: { field: "expression", position: { line: 1, column: 11 } },
        message: 'a part of the expression of rule "rule-0" at line 1, column 11 is not evaluated for any of its moves',
      },
    ]);
  });

  test("as many cases as are looked at, and one more", () => {
    const either = (count: number, of: string) =>
      Array.from({ length: count }, (_, at) => `workflow.metadata.${of}${at} == 1`).join(" || ");
    const decided = (expression: string) => !typesOf({ expression, moves: onComplete }).includes("not-decided");
    expect([decided(either(64, "a")), decided(either(65, "a"))]).toEqual([true, false]);
    const both = (one: number, other: number) => decided(`(${either(one, "a")}) && (${either(other, "b")})`);
    expect([both(8, 8), both(5, 13)]).toEqual([true, false]);
  });

  test("too many cases are left undecided, and named", () => {
    const terms = (operator: string, name: string) =>
      Array.from({ length: 10 }, (_, at) => `workflow.metadata.${name}${at} == 1`).join(operator);
    const expression = `(${terms(" || ", "a")}) && (${terms(" || ", "b")})`;
    expect(messagesOf({ expression, moves: onComplete }, { expression: `!(${expression})`, moves: onComplete })).toEqual([
      'rule "rule-0" has more cases than are looked at: not everything was decided of it',
      'rule "rule-1" has more cases than are looked at: not everything was decided of it',
    ]);
  });
});

describe("parts that are never evaluated", () => {
  test.each([
    ["false && workflow.metadata.a", 10],
    ["false && (workflow.metadata.a && false || workflow.metadata.b)", 11],
    ["false && workflow.version + workflow.retry_count > 1", 10],
    ["true || workflow.metadata.a", 9],
    ["has(workflow.metadata.a) && (has(workflow.metadata.a) || workflow.metadata.b)", 58],
    ["from == to ? workflow.metadata.a : workflow.metadata.b", 14],
    ["!(has(workflow.metadata.a) && !has(workflow.metadata.a) && workflow.metadata.b)", 60],
  ])("%s, from column %d", (expression, column) => {
    const [finding, ...others] = analyse([{ expression }]).filter(({ type }) => type === "unreachable");
    expect(finding?.place?.position).toEqual({ line: 1, column });
    expect(others).toEqual([]);
  });

  test("in the condition, too", () => {
    const found = messagesOf({
      condition: "from == 'PAUSED' && workflow.metadata.a",
      expression: "has(workflow.metadata.a)",
      moves: onComplete,
    });
    expect(found).toContainEqual(
      expect.stringMatching(/^a part of the condition of rule "rule-0" at line 1, column \d+ is not evaluated/),
    );
  });

  test("from where it begins, also on another line", () => {
    const [finding] = analyse([{ expression: `false && (workflow.version\n> workflow.retry_count || ${a})` }]).filter(
      ({ place }) => place,
    );
    expect(finding?.place?.position).toEqual({ line: 1, column: 11 });
    const [below] = analyse([{ expression: `false && (\n   workflow.version\n > 1)` }]).filter(({ place }) => place);
    expect(below?.place?.position).toEqual({ line: 2, column: 4 });
  });

  test("not if one move needs it", () => {
    expect(analyse([{ expression: "from == 'ACTIVE' ? workflow.metadata.a : workflow.metadata.b" }])).toEqual([]);
  });
});

describe("two rules", () => {
  const low = { id: "low", expression: "workflow.metadata.a < 5" };
  const high = { id: "high", expression: "workflow.metadata.a > 10" };

  test("that forbid a move together", () => {
    expect(analyse([{ ...low, moves: onComplete }, high])).toEqual([
      {
        type: "forbid-together",
        ruleIds: ["low", "high"],
        moves: [{ from: "ACTIVE", to: "COMPLETED" }],
        message: 'rules "low" and "high" together forbid ACTIVE to COMPLETED: what the one allows, the other denies',
      },
    ]);
  });

  test("that forbid every move together", () => {
    expect(messagesOf(low, high)).toEqual([
      'rules "low" and "high" together forbid every move: what the one allows, the other denies',
    ]);
  });

  test.each([
    ["of which one only warns", { ...high, action: "WARN" }],
    ["for other types of workflow", { ...high, types: ["b"] }],
    ["for other moves", { ...high, moves: [{ from: "PAUSED", to: undefined }] }],
    ["of which one has a condition that may not be met", { ...high, condition: "workflow.metadata.b == 1" }],
  ] satisfies [string, WrittenRule][])("%s do not", (_, other) => {
    expect(analyse([{ ...low, moves: onComplete, types: ["a"] }, other])).toEqual([]);
    expect(analyse([other, { ...low, moves: onComplete, types: ["a"] }])).toEqual([]);
  });

  test("that forbid some moves and some updates", () => {
    const operations = ["TRANSITION", "UPDATE"] as const;
    expect(messagesOf({ expression: "from != 'PAUSED'", operations })).toEqual([
      'rule "rule-0" can never hold for PAUSED to ACTIVE, PAUSED to CANCELLED, an update in PAUSED',
    ]);
  });

  test("of which one allows nothing anyway", () => {
    const none = { id: "none", expression: "to != 'COMPLETED' && workflow.metadata.a < 5", moves: onComplete };
    expect(typesOf(none, high)).not.toContain("forbid-together");
    expect(typesOf({ expression: "workflow.metadata.a < 9", moves: onComplete }, none)).not.toContain("shadowed");
    expect(typesOf(high, none)).not.toContain("forbid-together");
    // Also of one move among others.
    const once = { id: "once", expression: "to != 'COMPLETED' && workflow.metadata.a < 5" };
    expect(typesOf({ expression: "workflow.metadata.a < 9" }, once)).toEqual(["never-holds"]);
  });

  test("that are for other data, and else alike", () => {
    const rule = (b: number) => ({ condition: `workflow.metadata.b == ${b}`, expression: "workflow.metadata.a.all(x, x > 1)" });
    expect(analyse([rule(1), rule(2)])).toEqual([]);
    expect(typesOf(rule(1), rule(1))).toEqual(["same"]);
  });

  test("of which one denies some moves only", () => {
    const narrow = { id: "narrow", expression: "from == 'PAUSED' || workflow.metadata.a < 10" };
    expect(messagesOf(narrow, low)).toEqual(['what rule "narrow" denies, rule "low" denies too']);
  });

  test("of which one denies what the other denies", () => {
    expect(analyse([{ id: "narrow", expression: "workflow.metadata.a < 10", moves: onComplete }, low])).toEqual([
      {
        type: "shadowed",
        ruleIds: ["narrow", "low"],
        moves: [{ from: "ACTIVE", to: "COMPLETED" }],
        message: 'what rule "narrow" denies, rule "low" denies too',
      },
    ]);
  });

  test("in whatever order", () => {
    expect(
      messagesOf(
        { id: "broad", expression: "has(workflow.metadata.a) && workflow.metadata.b" },
        { id: "narrow", expression: "has(workflow.metadata.a)" },
      ),
    ).toEqual(['what rule "narrow" denies, rule "broad" denies too']);
  });

  test.each([
    ["the broad one only warns", { ...low, action: "WARN" }],
    ["it is for fewer types", { ...low, types: ["b"] }],
    ["it is for fewer moves", { ...low, moves: [{ from: "PAUSED", to: undefined }] }],
    ["it has a condition", { ...low, condition: "workflow.metadata.b == 1" }],
  ] satisfies [string, WrittenRule][])("not if %s", (_, broad) => {
    expect(analyse([{ id: "narrow", expression: "workflow.metadata.a < 10", types: ["a", "b"] }, broad])).toEqual([]);
  });

  test.each([
    ["the narrow one only warns", { action: "WARN" }, {}],
    ["both warn", { action: "WARN" }, { action: "WARN" }],
    ["the narrow one is for fewer types", { types: ["a"] }, { types: ["a", "b"] }],
    [
      "the narrow one has a condition",
      { condition: "workflow.metadata.b == 1", action: "AUDIT" },
      { expression: "workflow.metadata.b != 1 && workflow.metadata.a < 5" },
    ],
  ] satisfies [string, Partial<WrittenRule>, Partial<WrittenRule>][])("also if %s", (_, narrow, broad) => {
    expect(typesOf({ id: "narrow", expression: "workflow.metadata.a < 10", ...narrow }, { ...low, ...broad })).toEqual([
      "shadowed",
    ]);
  });

  test.each([
    ["as a method and as a function", `size(${a}) > 2`, `${a}.size() > 2`],
    ["written alike", "workflow.metadata.a.all(x, x > 1)", " workflow.metadata.a.all(x, (x > 1)) // too"],
    ["with the same sense", "!(workflow.metadata.a in [1, 2])", "workflow.metadata.a != 1 && workflow.metadata.a != 2"],
    [
      "a message, bytes and an optional",
      "google.protobuf.Timestamp{seconds: -1} < now && b'a' != b'b' && [?workflow.metadata.?a] != []",
      "(google.protobuf.Timestamp{seconds: -1} < now) && b'a' != b'b' && [?workflow.metadata.?a] != []",
    ],
  ])("that deny the same: %s", (_, expression, other) => {
    expect(messagesOf({ expression }, { expression: other })).toEqual([
      'rules "rule-0" and "rule-1" deny the same: one of them is enough',
    ]);
  });

  test("that deny the same for some moves name these", () => {
    const rule = { expression: `${a} > 1`, moves: onComplete };
    expect(analyse([rule, rule])).toMatchObject([{ type: "same", moves: [{ from: "ACTIVE", to: "COMPLETED" }] }]);
  });

  test.each([0, 1])("of which one looks at the move forbid some moves together, in whatever order: %i", (at) => {
    const some = { id: "some", expression: `to != 'COMPLETED' || ${a} < 5` };
    const rules = at === 0 ? [some, high] : [high, some];
    expect(analyse(rules)).toMatchObject([{ type: "forbid-together", moves: [{ from: "ACTIVE", to: "COMPLETED" }] }]);
  });

  test("of which one denies nothing anyway", () => {
    const never = { id: "never", expression: "from != to || workflow.metadata.a < 9" };
    expect(typesOf(never, low)).not.toContain("shadowed");
  });

  test.each([
    [
      "in a list, and equal to it",
      "workflow.metadata.a in [workflow.metadata.b]",
      "workflow.metadata.a == [workflow.metadata.b]",
    ],
  ])("that do not deny the same: %s", (_, expression, other) => {
    expect(analyse([{ expression }, { expression: other }])).toEqual([]);
  });

  test("that are written differently in what makes a difference", () => {
    expect(
      analyse([{ expression: "workflow.metadata.a / -0.0 < 1.0" }, { expression: "workflow.metadata.a / 0.0 < 1.0" }]),
    ).toEqual([]);
  });
});

test("many rules that ask about the same are compared up to a bound, and it is told", () => {
  const rules = Array.from({ length: 110 }, (_, at) => ({ expression: `workflow.metadata.a != ${at}`, moves: onComplete }));
  expect(messagesOf(...rules)).toEqual(["only 5000 pairs of rules were compared: there are more than are looked at"]);
});

test("as many pairs as are compared, and one more, of which nothing is said but what was found before", () => {
  // Each of a hundred with each other, and one more with fifty of them.
  const of = (at: number, types: readonly string[]) => ({ expression: `${a} != ${at}`, moves: onComplete, types });
  const rules = Array.from({ length: 100 }, (_, at) => of(at, at < 50 ? ["a", "b"] : ["b"]));
  expect(messagesOf(...rules, of(100, ["a"]))).toEqual([]);
  const same = [of(1, ["c"]), of(1, ["c"])];
  expect(typesOf(...rules.slice(0, 99), ...same)).toEqual(["same"]);
  expect(typesOf(...same, ...rules, of(100, ["a"]))).toEqual(["same", "not-decided"]);
  expect(typesOf(...rules, of(100, ["a"]), ...same)).toEqual(["not-decided"]);
});

test.each([
  ["another move", (at: number) => ({ moves: at % 2 === 0 ? onComplete : [{ from: "ACTIVE", to: "PAUSED" } as const] })],
  ["another type", (at: number) => ({ types: [at % 2 === 0 ? "a" : "b"] })],
])("rules for %s are not compared", (_, rest) => {
  const rules = Array.from({ length: 140 }, (_, at) => ({ expression: `workflow.metadata.a != ${at}`, ...rest(at) }));
  expect(messagesOf(...rules)).toEqual([]);
});

test.each([
  ["of a type and for every workflow", ["a"], []],
  ["for every workflow and of a type", [], ["a"]],
  ["of types of which one is the same", ["a", "b"], ["c", "b"]],
])("rules %s are compared", (_, first, second) => {
  const rule = (expression: string, types: readonly string[]) => ({ expression, types, moves: onComplete });
  expect(typesOf(rule("workflow.metadata.a < 1", first), rule("workflow.metadata.a > 2", second))).toEqual(["forbid-together"]);
});

const oneOf = (from: number) => Array.from({ length: 60 }, (_, at) => `workflow.metadata.a == ${from + at}`).join(" || ");

test("cases that exclude each other are joined up to a bound", () => {
  const [expression, moves] = [`(${oneOf(100)}) && (${oneOf(200)})`, onComplete];
  expect(messagesOf({ expression, moves })).toEqual([
    'rule "rule-0" has more cases than are looked at: not everything was decided of it',
  ]);
  const rules = Array.from({ length: 10 }, (_, at) => ({ expression: oneOf(100 * at), moves }));
  expect(messagesOf(...rules).at(-1)).toMatch(/^only \d\d pairs of rules were compared/);
});

test("a rule set is analysed in steps", () => {
  const steps = analyseSteps([
    analysedRule({ expression: "to != 'FAILED'" }),
    analysedRule({ expression: "workflow.metadata.a" }, 1),
  ]);
  let count = 0;
  while (!steps.next().done) count += 1;
  expect(count).toBeGreaterThan(10);
});

describe("rules for updates", () => {
  const both = ["TRANSITION", "UPDATE"] as const;

  test("are compared with each other, not with rules for moves", () => {
    const cold = { expression: "workflow.metadata.celsius < 5" };
    const warm = { expression: "workflow.metadata.celsius > 8" };
    expect(typesOf({ ...cold, operations: ["UPDATE"] }, { ...warm, operations: ["UPDATE"] })).toEqual(["forbid-together"]);
    expect(typesOf({ ...cold, operations: ["UPDATE"] }, warm)).toEqual([]);
    expect(messagesOf({ ...cold, operations: both }, { ...warm, operations: ["UPDATE"] })).toEqual([
      expect.stringContaining("together forbid every update"),
    ]);
  });

  test("are looked at in each state that is not terminal; of a rule for both, moves and updates are told apart", () => {
    expect(messagesOf({ expression: "from == 'PAUSED'", operations: ["UPDATE"] })).toEqual([
      'rule "rule-0" can never hold for an update in CREATED, an update in ACTIVE, an update in FAILED',
    ]);
    expect(typesOf({ expression: "from in ['COMPLETED', 'CANCELLED']", operations: ["UPDATE"] })).toContain("never-holds");
    expect(messagesOf({ expression: "operation == 'UPDATE'", operations: both })).toEqual([
      'rule "rule-0" can never hold for every move',
    ]);
    expect(typesOf({ expression: "operation == 'UPDATE'", operations: ["UPDATE"] })).toContain("never-denies");
    expect(typesOf({ expression: "from == to", operations: ["UPDATE"] })).toContain("never-denies");
  });

  test("ask of what is proposed as of any other map", () => {
    const expression = "!has(proposed.metadata.a) && proposed.metadata.a == 1";
    expect(typesOf({ expression, operations: ["UPDATE"] })).toContain("never-holds");
    expect(typesOf({ expression: "!has(proposed.metadata.a) && workflow.metadata.a == 1", operations: ["UPDATE"] })).toEqual([]);
  });
});
