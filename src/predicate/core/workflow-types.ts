import type { JsonObject } from "../../kernel/json.ts";
import type { Result } from "../../kernel/result.ts";
import {
  compileSchema,
  type MetadataSchema,
  type Violation as MetadataViolation,
  type SchemaProblem,
  violationsOf,
} from "./metadata-schema.ts";
import { saysSame } from "./rule-set/same.ts";
import type { WorkflowType } from "./types.ts";
import { metadataType } from "./typing/metadata-type.ts";
import type { Type } from "./typing/type.ts";

/** A type with a schema. One that this version of Concord does not understand, stored by another, takes no metadata. */
export type CompiledType = {
  readonly workflowType: WorkflowType;
  readonly schema: Result<MetadataSchema, readonly SchemaProblem[]>;
  /** What rules for workflows of the type know of their metadata. */
  readonly metadata: Type | undefined;
};

/** Those with a schema, by name. */
export type CompiledTypes = ReadonlyMap<string, CompiledType>;

/** What is compiled in `before` is taken over. Each step compiles one schema. */
export function* compileTypes(all: readonly WorkflowType[], before: CompiledTypes | undefined): Generator<void, CompiledTypes> {
  const compiled = new Map<string, CompiledType>();
  for (const workflowType of all) {
    const { name, metadataSchema } = workflowType;
    if (metadataSchema === undefined) continue;
    const known = before?.get(name);
    const isKnown = known !== undefined && saysSame(workflowType, known.workflowType);
    compiled.set(name, isKnown ? known : compileType(workflowType, metadataSchema));
    yield;
  }
  return compiled;
}

function compileType(workflowType: WorkflowType, metadataSchema: JsonObject): CompiledType {
  const schema = compileSchema(metadataSchema);
  return { workflowType, schema, metadata: schema.ok ? metadataType(metadataSchema) : undefined };
}

/** What is wrong with the metadata of a workflow of this type. Nothing: it is right, or no schema says what that is. */
export function metadataViolations(types: CompiledTypes, type: string, metadata: JsonObject): readonly MetadataViolation[] {
  const schema = types.get(type)?.schema;
  if (schema === undefined) return [];
  if (!schema.ok) return [{ path: "metadata", message: `the schema of "${type}" cannot be used: ${schema.error[0]?.message}` }];
  const found = violationsOf(schema.value, metadata);
  if (found.ok) return found.value;
  return [{ path: "metadata", message: `takes more than ${found.error.stepsMax} steps to compare with the schema of "${type}"` }];
}
