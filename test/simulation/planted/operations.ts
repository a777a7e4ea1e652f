import type { Planted } from "./fault.ts";

/** Mistakes in what the manager does by itself, for bulk operations and for the policies of types, and in changes that are no moves. */
export const plantedInOperations: readonly Planted[] = [
  {
    name: "a bulk operation passes over what it was cut short at",
    focus: "bulk",
    file: "src/workflow/bulk-run.ts",
    find: `if (!signal.aborted) position = chunk.position;`,
    replace: `position = chunk.position;`,
  },
  {
    name: "the answers to changes that are no moves are not remembered",
    file: "src/workflow/change-once.ts",
    find: `        ...rememberAnswers([request], environment),\n`,
    replace: ``,
  },
  {
    name: "a policy holds before it is durable",
    focus: "policies",
    file: "src/workflow/policies.ts",
    find: `      const applied = await store.applyPolicy(wanted);`,
    replace: `      keep(wanted);\n      const applied = await store.applyPolicy(wanted);`,
  },
  {
    name: "a workflow is recovered before its time",
    focus: "policies",
    file: "src/workflow/core/recovery.ts",
    find: `nowMs < recoverableAtMs) {`,
    replace: `nowMs < recoverableAtMs - 3_600_000) {`,
  },
];
