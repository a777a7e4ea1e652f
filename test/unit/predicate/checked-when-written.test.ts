import { describe, expect, test } from "vitest";
import { ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile } from "../../../src/predicate/core/compile.ts";
import { problemCountMax } from "../../../src/predicate/core/limits.ts";

/** What is said of a rule, and of what else: the columns first. */
function problemsOf(source: string, wanted: "bool" | "string" = "bool"): readonly string[] {
  const compiled = compile(source, ruleVariables, wanted);
  if (compiled.ok) return [];
  return [compiled.error, ...compiled.error.others].map(({ column, message }) => `${column}: ${message}`);
}

describe("a rule as people get it wrong is refused where it is wrong", () => {
  test.each([
    // Names.
    ["workflow.stat == 'ACTIVE'", ['10: unknown field "stat" of workflow; did you mean "state"?']],
    ["workflow.retries < 3", ['10: unknown field "retries" of workflow; known: id, type, state']],
    [
      "workflow.the_time_when_somebody_has_seen_it_first < now",
      ['10: unknown field "the_time_when_somebody_has_seen_it_first" of workflow; known: id'],
    ],
    ["request.requestedBy != 'ada'", ['9: unknown field "requestedBy" of request; did you mean "requested_by"?']],
    ["from == ACTIVE", ['9: unknown variable "ACTIVE"; a text stands in quotes: "ACTIVE"']],
    ["workflow.id.startswith('sample-')", ['13: unknown function "startswith"; did you mean "startsWith"?']],
    ["now.getHour() >= 8", ['5: unknown function "getHour"; did you mean "getHours"?']],
    ["workflow.id.length() > 3", ['13: unknown function "length"; did you mean "size"?']],
    ["workflow.metadata.tags.any(t, t == 'urgent')", ['24: unknown function "any"; did you mean "exists"?']],
    ["now().getHours() > 8", ['1: unknown function "now"']],
    // States.
    ["to != 'CANCELED'", ['7: to is never "CANCELED"; did you mean "CANCELLED"?']],
    [
      "from in ['ACTIVE', 'RUNNING']",
      ['20: from is never "RUNNING"; it is one of CREATED, ACTIVE, PAUSED, COMPLETED, FAILED, CANCELLED'],
    ],
    [
      "(workflow.retry_count > 0 ? from : to) == 'STOPPED'",
      ['43: this is never "STOPPED"; it is one of CREATED, ACTIVE, PAUSED, COMPLETED, FAILED, CANCELLED'],
    ],
    [
      "to == (workflow.version > 3 ? 'COMPLETED' : 'DONE')",
      ['45: to is never "DONE"; it is one of CREATED, ACTIVE, PAUSED, COMPLETED, FAILED, CANCELLED'],
    ],
    ["['FAILED', 'DONE'].exists(s, s == to)", ['12: to is never "DONE"; it is one of CREATED, ACTIVE, PAUSED']],
    ["['DONE'].exists(i, s, i == 0 && s == to)", ['2: to is never "DONE"; it is one of CREATED, ACTIVE, PAUSED']],
    ["['DONE'].exists(i, s, i == to)", ["25: an int is never equal to a string"]],
    ["{'ACTIVE': 1, 'PAUSE': 2}[from] == 1", ['15: from is never "PAUSE"; did you mean "PAUSED"?']],
    // Types.
    ["workflow.version == '3'", ["18: an int is never equal to a string; write workflow.version == 3"]],
    ["workflow.id == null", ["13: a string is never equal to null"]],
    ["workflow.version in ['1', '2']", ["18: an int is never in a list(string)"]],
    [
      "request.requested_by in 'ada, kurt'",
      ['22: "in" looks into a list or a map, not into a string; a text that has another is text.contains(other)'],
    ],
    [
      "workflow.created_at > '2026-01-01T00:00:00Z'",
      ['21: there is no ">" for a timestamp and a string; write workflow.created_at > timestamp("2026-01-01T00:00:00Z")'],
    ],
    ["now - workflow.created_at > 3600", ['27: there is no ">" for a duration and an int; write … > duration("3600s")']],
    [
      "now - workflow.created_at > workflow.retry_count",
      ['27: there is no ">" for a duration and an int; write … > duration(workflow.retry_count)'],
    ],
    ["now + 86400 > workflow.updated_at", ['5: there is no "+" for a timestamp and an int; write now + duration("86400s")']],
    [
      "'try ' + workflow.retry_count == request.reason",
      ['8: there is no "+" for a string and an int; write "try " + string(workflow.retry_count)'],
    ],
    ["workflow.retry_count.size() < 3", ['22: "size" is used as']],
    ["size(workflow.version) < 3", ['1: "size" is used as']],
    ["workflow.id.substring('2') == 'x'", ['13: "substring" is used as string.substring(int), not as string.substring(string)']],
    // Of several forms it is the one with as many arguments, none of which is passed over.
    [
      "'a'.substring(1, 'x') == ''",
      ['5: "substring" is used as string.substring(int, int), not as string.substring(int, string)'],
    ],
    ["'a'.indexOf('t', 'x') == 0", ['5: "indexOf" is used as string.indexOf(string, int), not as']],
    ["'a'.lastIndexOf('t', 'x') == 0", ['5: "lastIndexOf" is used as string.lastIndexOf(string, int), not as']],
    ["'a'.replace('t', 'x', 'y') == ''", ['5: "replace" is used as string.replace(string, string, int), not as']],
    ["'a'.split('t', 'x') == ['']", ['5: "split" is used as string.split(string, int), not as']],
    [
      "workflow.id.substring(workflow.metadata.?at, 2) == ''",
      [
        '13: "substring" is used as string.substring(int, int), not as string.substring(optional, int); an optional value has .orValue(…)',
      ],
    ],
    [
      "workflow.id.replace('a', workflow.metadata.?by, 2) == ''",
      [
        '13: "replace" is used as string.replace(string, string, int), not as string.replace(string, optional, int); an optional value has .orValue(…)',
      ],
    ],
    ["[['a']].flatten('x') == ['a']", ['9: "flatten" is used as list.flatten(int), not as list.flatten(string)']],
    ["['a'].join(1) == ''", ['7: "join" is used as list.join(string), not as list.join(int)']],
    ["now.getHours(1) == 1", ['5: "getHours" is used as timestamp.getHours(string), not as timestamp.getHours(int)']],
    [
      "workflow.retry_count + ' tries' != ''",
      ['22: there is no "+" for an int and a string; write string(workflow.retry_count) + " tries"'],
    ],
    ["workflow.version[0] == 1", ["17: an int has no elements"]],
    ["{'a': from}[1] == to", ["12: a key of a map(string, string) is never an int"]],
    ["{1: from}['x'] == to", ["10: a key of a map(int, string) is never a string"]],
    ["{'a': true}.b", ["13: field not found: b"]],
    ["optional.of(1).a.hasValue()", ["16: an int has no fields"]],
    // Whoever mends the one will hear of the result.
    ["workflow.id == null ? 1 : 2", ["13: a string is never equal to null"]],
    ["!workflow.retry_count", ["11: this is an int, and not a condition"]],
    ["workflow.metadata.ok && request.reason", ["33: this is a string, and not a condition"]],
    ["workflow.metadata.?count > 3", ['26: there is no ">" for an optional(dyn) and an int; an optional value has .orValue(…)']],
    ["request.reason.orValue('') != ''", ["16: only an optional value, such as a.?b, may be without a value; this is a string"]],
    ["workflow.metadata.matches('cold')", ['19: "matches" is used as string.matches(string), not as map.matches(string)']],
    ["workflow.version.all(v, v > 1)", ["10: a loop goes through a list or a map, not an int"]],
    ["now.hours >= 8", ['5: a timestamp has no field "hours"; write getHours()']],
    ["workflow.id.size > 3", ["13: a string has no fields"]],
    // Results.
    ["workflow.retry_count", ["10: the result is never a bool but an int"]],
    ["request.context", ["9: the result is never a bool but a map(string, dyn)"]],
    // Constants.
    ["now.getHours('Europe/Berln') >= 8", ['14: "Europe/Berln" is no time zone such as "+02:00" or "Europe/Berlin"']],
    ["now - workflow.created_at < duration('7d')", ['29: "7d" is no duration such as "1h30m"']],
    ["workflow.created_at > timestamp('2026-02-30T00:00:00Z')", ['23: "2026-02-30T00:00:00Z" is no timestamp such as']],
    ["workflow.version < int('three')", ['20: "three" is no int']],
    ["workflow.version < 3 / 0", ["22: int divide by zero"]],
    ["workflow.version > [1, 2][2]", ["20: index 2 out of bounds"]],
    ["workflow.id.matches('^(a|b')", ["13: error parsing regexp: missing closing )"]],
    // Forms.
    ["from = 'ACTIVE'", ['6: unexpected "="; equality is "=="']],
    ["from == 'ACTIVE' AND to == 'PAUSED'", ['18: expected an operator or the end, found "AND"; use "&&"']],
    ["not workflow.metadata.ok", ['5: expected an operator or the end, found "workflow"; "not" is "!"']],
    ["has('temperature')", ['1: "has" is used as has(a.b)']],
    ["has(workflow.metadata, 'temperature')", ['1: "has" is used as has(a.b)']],
    ["workflow.metadata.tags.exists(t == 'urgent')", ['24: "exists" is used as list.exists(x, condition)']],
    ["workflow.id.contains('a', 'b')", ['13: "contains" takes 1 argument, not 2']],
    ["contains(workflow.id, 'a')", ['1: "contains" is a method: x.contains(…)']],
  ])("%s", (source, expected) => {
    const problems = problemsOf(source);
    expect(problems.length).toBe(expected.length);
    for (const [at, each] of expected.entries()) expect(problems[at]).toContain(each);
  });

  // What is taken out of a list is what was put in, whatever was done with the list in between.
  test.each([
    "[1, 2].slice(0, 1)[0]",
    "[1].distinct()[0]",
    "[1].reverse()[0]",
    "[1].sort()[0]",
    "[1].sortBy(x, -x)[0]",
    "([1] + [2])[0]",
    "lists.range(3)[0]",
    "[optional.of(1)].unwrapOpt()[0]",
    "optional.unwrap([optional.of(1)])[0]",
    "[1].first().value()",
    "[1].last().value()",
    "optional.of(1).value()",
    "optional.ofNonZeroValue(1).value()",
    "math.greatest([1])",
    "math.least([1, 2])",
    "'a'.split('')[0].size()",
    "{'a': 1}.transformMap(k, v, v)['a']",
  ])("by the type of %s", (source) => {
    const [problem, ...others] = problemsOf(`${source} + 'a' == ''`);
    expect(problem).toContain('there is no "+" for an int and a string');
    expect(others).toEqual([]);
  });

  test.each(["bool", "bytes", "double", "int", "list", "map", "null_type", "optional_type", "string", "type", "uint"])(
    "%s is the name of a type, and of no value",
    (name) => {
      expect(problemsOf(`type(workflow.metadata.a) == ${name}`)).toEqual([]);
      expect(problemsOf(`${name} + 1 == 2`)).toEqual([expect.stringContaining('there is no "+" for a type and an int')]);
    },
  );

  test("without a method that other times have", () => {
    expect(problemsOf("(now - workflow.created_at).fullYear > 1")).toEqual(['29: a duration has no field "fullYear"']);
    expect(problemsOf("now.size > 1")).toEqual(['5: a timestamp has no field "size"']);
    expect(problemsOf("now.fullYear > 1")).toEqual(['5: a timestamp has no field "fullYear"; write getFullYear()']);
  });

  // What is to be written between two operands of an operator is nothing to write between two arguments.
  test("without advice that is for operators", () => {
    expect(problemsOf("'abc'.substring('1', 2) == ''")).toEqual([
      '7: "substring" is used as string.substring(int, int), not as string.substring(string, int)',
    ]);
  });

  test("and so is a message", () => {
    expect(problemsOf("workflow.retry_count + 1", "string")).toEqual([
      "22: the result is never a string but an int; write string(…)",
    ]);
  });
});

describe("a rule as people get it right is taken", () => {
  test.each([
    "workflow.retry_count < 3",
    "workflow.retry_count + 1 <= 3 && workflow.version >= 2",
    "workflow.version > 1.5 || workflow.version == 2.0",
    "from == 'ACTIVE' && to == 'COMPLETED'",
    "from != to",
    "workflow.state == from && workflow.previous_state != ''",
    "from in ['ACTIVE', 'WORKFLOW_STATE_PAUSED']",
    "!(to in ['FAILED', 'CANCELLED'])",
    "(workflow.retry_count > 0 ? from : to) == 'ACTIVE'",
    "to == (workflow.version > 3 ? 'COMPLETED' : 'FAILED')",
    "{'ACTIVE': 1, 'PAUSED': 2}[from] == 1",
    "to == request.reason.replace('x', 'DONE')",
    "'ACTIVE' in [from].map(s, s)",
    "from in {'ACTIVE': true} && {'FAILED': 3}[?from].orValue(0) > 1",
    "from.startsWith('A') || from + to != 'x'",
    "[from, to].exists(s, s == 'FAILED') && [from, to].all(s, s in ['ACTIVE', 'PAUSED', 'FAILED'])",
    "cel.bind(s, workflow.state, s == 'ACTIVE' || s == 'PAUSED')",
    "request.requested_by != workflow.metadata.technician",
    "request.reason.size() >= 10 && request.reason.matches('^[A-Z]+-[0-9]+: ')",
    "size(request.reason) > 0 && !request.reason.contains('TODO')",
    "request.requested_by in ['ada', 'kurt']",
    "request.requested_by in workflow.metadata.approvers",
    "request.requested_by.endsWith('@example.org') || request.requested_by.lowerAscii() == 'ada'",
    "request.reason.split(',').size() == 2 && request.reason.split(',')[0].trim() == 'a'",
    "request.reason.split(' ').map(w, w.size()).exists(n, n > 20)",
    "now - workflow.created_at < duration('24h')",
    "now > workflow.updated_at + duration('5m')",
    "now - duration('1h') > workflow.created_at",
    "workflow.created_at > timestamp('2026-01-01T00:00:00Z')",
    "timestamp(workflow.metadata.due) > now",
    "now.getHours('Europe/Berlin') >= 8 && now.getHours('Europe/Berlin') < 18",
    "now.getDayOfWeek() in [1, 2, 3, 4, 5] && now.getHours(workflow.metadata.zone) < 20",
    "now.seconds > 0 && duration('1h').seconds == 3600",
    "int(now) - int(workflow.created_at) > 3600",
    "(now - workflow.created_at).getMinutes() > 5",
    "string(now).startsWith('2026')",
    "workflow.metadata.temperature < 8",
    "workflow.metadata.temperature >= 2.0 && workflow.metadata.temperature <= 8.0",
    "has(workflow.metadata.humidity) && workflow.metadata.humidity < 60",
    "!has(workflow.metadata.site.country) || workflow.metadata.site.country in ['DE', 'FR']",
    "workflow.metadata.?humidity.orValue(50.0) < 60.0",
    "workflow.metadata.?site.?country.orValue('') == 'DE'",
    "workflow.metadata[?'humidity'].hasValue()",
    "workflow.metadata.?count.optMap(c, c > 3).orValue(true)",
    "workflow.metadata.?site.optFlatMap(s, s.?country).orValue('x') == 'x'",
    "workflow.metadata.note == null || workflow.metadata.note != 'hold'",
    "workflow.metadata.ok",
    "workflow.metadata.ok == true ? workflow.metadata.a : workflow.metadata.b",
    "'temperature' in workflow.metadata && workflow.metadata['temperature'] < 8",
    "'reason' in request && request['reason'] != ''",
    "workflow.metadata.tags.all(t, t in ['urgent', 'cold'])",
    "workflow.metadata.tags.exists(i, t, i == 0 && t == 'urgent')",
    "workflow.metadata.all(k, v, k != 'x' || v > 3)",
    "workflow.metadata.map(k, k.size()).all(n, n < 20)",
    "workflow.metadata.items.filter(i, i.open).map(i, i.price * 2.0).size() < 3",
    "workflow.metadata.items.map(i, int(i.count)).exists_one(n, n == 1)",
    "size(workflow.metadata) < 10 && size(workflow.metadata.tags) > 0",
    "workflow.metadata.tags.sort()[0] == 'cold' && workflow.metadata.tags.first().orValue('') == 'urgent'",
    "sets.contains(['cold', 'urgent'], workflow.metadata.tags)",
    "math.greatest(workflow.retry_count, 3) == 3 && math.least([1.5, workflow.version]) < 3",
    "math.ceil(workflow.metadata.temperature) == 8.0",
    "int(workflow.metadata.count) % 2 == 0 && -workflow.version < 0",
    "workflow.id.matches('^sample-[0-9]+$') && !matches(workflow.id, 'x$')",
    "workflow.id.indexOf('-') > 0 && workflow.id.substring(0, 6) == 'sample'",
    "'%s at %d'.format([workflow.id, workflow.version]) != ''",
    "workflow == workflow && workflow.all(k, k != '')",
    "type(workflow.version) == int && type(now) == google.protobuf.Timestamp",
    "request.context.controls.all(c, c.passed) && request.context.controls.size() >= 2",
    "request.context.?controls.orValue([]).size() > 0",
    "[1, 2, 3].map(x, x * 2) == [2, 4, 6] && [1, 'a', true].size() == 3",
    "{'a': 1}.a == 1 && {'a': {'b': [1]}}.a.b[0] == 1",
    "dyn(workflow.version) == '3' || false && 32",
    "[].all(x, x.y.z > 3) && [[]][0] == []",
    "lists.range(3).transformMap(i, v, string(v)).size() == 3",
    "optional.none().orValue(3) == 3 && [?optional.of(1)] == [1]",
    "[now, null].size() == 2 && [null, now][1] > workflow.created_at && (workflow.version > 1 ? optional.of(now) : null) != null",
    "google.protobuf.BoolValue{value: true} && google.protobuf.Duration{seconds: 1} < now - workflow.created_at",
  ])("%s", (source) => {
    expect(problemsOf(source)).toEqual([]);
  });

  test.each([
    "'only ' + string(workflow.retry_count + 1) + ' tries'",
    "request.requested_by + ' measured this'",
    "'arrived at ' + string(workflow.metadata.celsius) + ' °C'",
    "has(workflow.metadata.why) ? workflow.metadata.why : 'not allowed'",
    "workflow.metadata.tags.join(', ')",
    "from",
  ])("and so is a message: %s", (source) => {
    expect(problemsOf(source, "string")).toEqual([]);
  });
});

test("constants that cost much are looked at when they are evaluated", () => {
  expect(problemsOf("lists.range(2000).all(x, x / 0 == 1)")).toEqual([]);
  expect(problemsOf(`[${Array.from({ length: 400 }, () => "1+1").join(",")}, 1/0].size() > 1`)).toEqual([]);
  expect(problemsOf("[1 + 1, 1/0].size() > 1")).toEqual([expect.stringContaining("int divide by zero")]);
});

describe("several problems", () => {
  test("are told together, as they stand in the source", () => {
    expect(problemsOf("workflow.stat == 'ACTIVE' && now.getHour() > '8' && 1 / 0 == 1")).toEqual([
      '10: unknown field "stat" of workflow; did you mean "state"?',
      '34: unknown function "getHour"; did you mean "getHours"?',
    ]);
    expect(problemsOf("workflow.id > 3 && to == 'DONE' && now.getHours('x') > 1").map((each) => each.split(":")[0])).toEqual([
      "13",
      "26",
      "49",
    ]);
  });

  test(`are ${problemCountMax} at most`, () => {
    expect(problemsOf(Array.from({ length: 30 }, (_, at) => `a${at}`).join(" || ")).length).toBe(problemCountMax);
  });
});
