import type { Mutant } from "../../exploration/mutants.ts";

const commit = "src/storage/sqlite/group-commit.ts";
const engine = "src/storage/sqlite/engine.ts";
const workflows = "src/storage/sqlite/workflow-store.ts";
const decisions = "src/storage/sqlite/decision-log.ts";
const promises = "src/storage/sqlite/participant-log.ts";

/** Mistakes in the engine of the stores, and in the SQL of the two logs of a commit. */
export const plantedInStorage: readonly Mutant[] = [
  {
    name: "a flush whose commit fails is acknowledged all the same",
    file: commit,
    find: `    prepare("COMMIT").run();\n`,
    replace: `    try {\n      prepare("COMMIT").run();\n    } catch {\n      target.disconnect();\n    }\n`,
  },
  {
    name: "a batch that is refused is acknowledged",
    file: commit,
    find: `if (expected !== undefined && changes !== expected) return { type: "conflict", statement: index };`,
    replace: "",
  },
  {
    name: "a batch is acknowledged when it is taken, not when it is flushed",
    file: engine,
    find: `      if (flight.length > 0) settle(`,
    replace: `      for (const { answer } of flight) answer({ type: "applied", rows: [[], [], [], []] });\n      if (flight.length > 0) settle(`,
  },
  {
    name: "a full disk is never looked at again",
    file: engine,
    find: `    setWritable(true, "");\n`,
    replace: "",
  },
  {
    name: "a writer that has died has no successor",
    file: engine,
    find: `      if (restarted.ok) writer = restarted.value;\n`,
    replace: "",
  },
  {
    name: "nobody is told of a new deadline",
    file: workflows,
    find: `        if (atMs !== undefined) for (const listener of deadlineListeners) listener(atMs);\n`,
    replace: "",
  },
  {
    name: "a claim takes the epoch that there is",
    file: decisions,
    find: "DO UPDATE SET epoch = epoch + 1 RETURNING",
    replace: "DO UPDATE SET epoch = epoch RETURNING",
  },
  {
    name: "a record that is there already is not written again",
    file: decisions,
    find: "completed_at_ms = excluded.completed_at_ms, body = excluded.body,",
    replace: "completed_at_ms = excluded.completed_at_ms, body = body,",
  },
  {
    name: "a take-over leaves out what is decided",
    file: decisions,
    find: "SELECT id FROM transactions WHERE completed_at_ms IS NULL AND id > ?",
    replace: "SELECT id FROM transactions WHERE outcome IS NULL AND id > ?",
  },
  {
    name: "what a log has once it keeps",
    file: promises,
    find: "    state = excluded.state,",
    replace: "    state = state,",
  },
  {
    name: "a promise is not found after a restart",
    file: promises,
    find: `load: async () => engine.read("SELECT * FROM transactions WHERE state = 'prepared'`,
    replace: `load: async () => engine.read("SELECT * FROM transactions WHERE state = 'doubtful'`,
  },
];
