import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { CommandError } from "../../src/cli/failure.ts";
import { workflowStates } from "../../src/kernel/lifecycle.ts";

const name = z.string().min(1);

const schema = z.strictObject({
  moves: z.record(name, z.enum(workflowStates)),
  ignored: z.array(name).default([]),
  missing: name.optional(),
  start_before: z.array(name).default([]),
});

/** From a `lifecycle:transition`, in lower case, to what it asks of a workflow. */
export type Mapping = z.output<typeof schema>;

export function readMapping(path: string): Mapping {
  const read = schema.safeParse(parse(readFileSync(path, "utf8")));
  if (read.success) return read.data;
  const problems = read.error.issues.map((issue) => `${path}: ${issue.path.join(".") || "the file"}: ${issue.message}`);
  throw new CommandError(problems.join("\n"));
}
