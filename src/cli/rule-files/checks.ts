import { nearest } from "../../kernel/nearest.ts";
import type { FileProblem, Place } from "./problem.ts";
import type { Located, LocatedParts } from "./read-file.ts";
import type { TestShape } from "./shape.ts";

/** What is wrong between the parts of a rule set. */
export const partProblems = (parts: LocatedParts): readonly FileProblem[] => [
  ...twice("workflow type", parts.types, ({ name }) => name, "name"),
  ...twice("fact", parts.facts, ({ name }) => name, "name"),
  // Of a rule, one version judges, and another may stand beside it.
  ...twice(
    "rule",
    parts.rules,
    ({ id }) => id,
    "id",
    ({ state = "active" }) => state === "active",
  ),
  ...twice("test", parts.tests, ({ name }) => name, "name"),
  ...parts.tests.flatMap((test) => expectationProblems(test, parts)),
];

const errorAt = (place: Place, message: string): FileProblem => ({ severity: "error", place, message });

function twice<Shape>(
  what: string,
  items: readonly Located<Shape>[],
  nameOf: (shape: Shape) => string,
  key: string,
  roleOf: (shape: Shape) => boolean = () => true,
): readonly FileProblem[] {
  const known = new Map<string, Place>();
  return items.flatMap(({ shape, placeOf }) => {
    const name = nameOf(shape);
    const place = placeOf([key]);
    const before = known.get(`${roleOf(shape)} ${name}`);
    if (before !== undefined)
      return [errorAt(place, `${what} "${name}" is there already: ${before.file}:${before.line}:${before.column}`)];
    known.set(`${roleOf(shape)} ${name}`, place);
    return [];
  });
}

const wantedActions = { denied_by: "deny", warned_by: "warn", audited_by: "audit" } as const;
const keys = Object.keys(wantedActions) as (keyof typeof wantedActions)[];

/** A test that names a rule which is not active, or has another action, could never pass. */
function expectationProblems({ shape, placeOf }: Located<TestShape>, { rules }: LocatedParts): readonly FileProblem[] {
  const { expect } = shape;
  if (typeof expect === "string") return [];
  const active = new Map(
    rules.filter(({ shape: { state = "active" } }) => state === "active").map((rule) => [rule.shape.id, rule.shape]),
  );
  return keys.flatMap((key) => {
    const wanted = expect[key] ?? [];
    const named = Array.isArray(wanted)
      ? [...wanted.entries()].map(([at, id]) => [id, at] as const)
      : Object.keys(wanted).map((id) => [id, id] as const);
    return named.flatMap(([id, at]) => {
      const rule = active.get(id);
      const problem = (message: string) => [errorAt(placeOf(["expect", key, at]), message)];
      if (rule === undefined) {
        const meant = nearest(id, [...active.keys()]);
        return problem(`no rule "${id}" is active here${meant === undefined ? "" : `; did you mean "${meant}"?`}`);
      }
      const { action = "deny" } = rule;
      if (action === wantedActions[key]) return [];
      return problem(
        `the action of rule "${id}" is ${action}: it belongs to ${keys.find((each) => wantedActions[each] === action)}`,
      );
    });
  });
}
