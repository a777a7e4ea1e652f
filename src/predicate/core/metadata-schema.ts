import type { Json, JsonObject } from "../../kernel/json.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { counted } from "../../kernel/text.ts";
import { compileNodes, type SchemaProblem } from "./schema/compile.ts";
import { schemaFindingsMax, schemaStepsMax } from "./schema/limits.ts";
import { type Findings, holds, type Node, type Run, type Violation } from "./schema/run.ts";
import { suggestionNamesMax } from "./schema/suggestion.ts";
import type { Place } from "./schema/words.ts";

export type { SchemaProblem, Violation };

/** A JSON Schema, compiled: what the metadata of a workflow type must be. Keeps nothing of one validation for another. */
export type MetadataSchema = { readonly root: Node };

/** The validation would take more steps than one may. */
export type TooExpensive = { readonly type: "schema-too-expensive"; readonly stepsMax: number };

const top: Place = { within: undefined, key: "metadata" };

/**
 * Draft 2020-12, or draft-07 if `$schema` says so. A keyword that is not known is a problem, as it would be ignored. All that is wrong is told, but
 * for what is beyond a bound.
 */
export function compileSchema(schema: JsonObject): Result<MetadataSchema, readonly SchemaProblem[]> {
  const root = compileNodes(schema);
  if (!root.ok) return root;
  if (!typesOf(schema).includes("object")) return err([{ path: "#/type", message: "metadata is always an object" }]);
  const compiled = { root: root.value };
  // What cannot judge this can judge nothing.
  const empty = violationsOf(compiled, {});
  return empty.ok
    ? ok(compiled)
    : err([{ path: "#", message: `takes more than ${empty.error.stepsMax} steps for empty metadata` }]);
}

const typesOf = ({ type = "object" }: JsonObject): readonly Json[] => (Array.isArray(type) ? type : [type]);

/** Nothing: it is as the schema asks. The first 20, and how many more there are. */
export function violationsOf({ root }: MetadataSchema, metadata: JsonObject): Result<readonly Violation[], TooExpensive> {
  const findings: Findings = { first: [], wanted: schemaFindingsMax, count: 0 };
  const run: Run = { budget: { steps: schemaStepsMax, names: suggestionNamesMax }, findings };
  holds(root, metadata, top, run);
  if (run.budget.steps < 0) return err({ type: "schema-too-expensive", stepsMax: schemaStepsMax });
  const more = findings.count - findings.first.length;
  return ok(
    more === 0 ? findings.first : [...findings.first, { path: "metadata", message: `has ${counted(more, "more violation")}` }],
  );
}
