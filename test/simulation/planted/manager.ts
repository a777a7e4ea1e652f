import type { Planted } from "./fault.ts";

const moves = "src/workflow/moves.ts";
const creation = "src/workflow/creation.ts";
const step = "src/workflow/core/step.ts";
const participant = "src/workflow/participant.ts";
const endHold = "src/workflow/end-hold.ts";
const watch = "src/workflow/watch.ts";
const predicateClient = "src/rpc/clients/predicate-client.ts";
const ruleSetChanges = "src/predicate/rule-set-changes.ts";

/** Mistakes of the workflow manager, of its participant, and of those that it asks. */
export const plantedInManager: readonly Planted[] = [
  {
    name: "expected_version is not judged again at a prepare",
    focus: "holds",
    file: participant,
    find: `const { moves, participantIds, deadlineMs } = wanted;`,
    replace: `const { participantIds, deadlineMs } = wanted;\n      const moves = { ...wanted.moves, commands: wanted.moves.commands.map((each) => ({ ...each, expectedVersion: undefined })) };`,
  },
  {
    name: "a prepare of which nobody knows whether it is durable is refused",
    focus: "holds",
    file: participant,
    find: `if (prepared.error.type === "storage-unavailable" && prepared.error.outcomeUnknown) {`,
    replace: `if (prepared.error.type === "storage-unavailable" && prepared.error.outcomeUnknown === undefined) {`,
  },
  {
    name: "a recovery moves what has not failed",
    file: step,
    find: `if (wanted.mustRecover && from !== "FAILED") return`,
    replace: `if (wanted.mustRecover && from === "COMPLETED") return`,
  },
  {
    name: "the manager votes before its hold is durable",
    file: participant,
    find: `return store.apply({ puts, events: [] });`,
    replace: `void store.apply({ puts, events: [] });\n        return { ok: true, value: [] };`,
  },
  {
    name: "the holds are forgotten at a restart",
    focus: "holds",
    file: participant,
    find: `if (page.length < heldPageSize) return records;`,
    replace: `if (page.length < heldPageSize) return [];`,
  },
  {
    name: "the end of a hold is written without how it ended",
    file: endHold,
    find: `outcome: { transactionId, coordinatorId, outcome, atMs: environment.nowMs() },`,
    replace: ``,
  },
  {
    name: "the holds of a transaction end one by one",
    file: endHold,
    find: `const held = await allHeldBy(store, transactionId, breathe);`,
    replace: `const held = (await allHeldBy(store, transactionId, breathe)).slice(0, 1);`,
  },
  {
    name: "the answers to moves are not remembered",
    file: moves,
    find: `        ...rememberAnswers(\n          moves.commands.map(({ move }) => move.request),\n          environment,\n        ),\n`,
    replace: ``,
  },
  {
    name: "the answer to a creation is not remembered",
    file: creation,
    find: `    ...rememberAnswers([request], environment),\n`,
    replace: ``,
  },
  {
    name: "verdicts are handed to the wrong questions",
    file: predicateClient,
    find: `else asked.settle(verdictFromWire(verdicts[index]));`,
    replace: `else asked.settle(verdictFromWire(verdicts[batch.length - 1 - index]));`,
  },
  {
    name: "an engine that does not answer has consented",
    file: predicateClient,
    find: `for (const { settle, question } of batch) settle(err(failureOf(error, contentsOf(question))));`,
    replace: `for (const { settle } of batch) (settle as (answer: unknown) => void)(ok({ type: "allowed", ruleSetRevision: 0, warnings: noWarnings, violations: [] }));`,
  },
  {
    name: "a change of the rules is answered again, and does not judge",
    focus: "reads",
    file: ruleSetChanges,
    find: `      await reloadIfBehind();\n      if (repeated !== undefined) return repeated;\n`,
    replace: `      if (repeated !== undefined) return repeated;\n      await reloadIfBehind();\n`,
  },
  {
    name: "a change of the rules judges before it is durable",
    file: ruleSetChanges,
    find: `      const written = await store.apply({`,
    replace: `      adopt(next.value);\n      const written = await store.apply({`,
  },
  {
    name: "a watch passes over the first event of a page",
    file: watch,
    find: `cursor = upTo ?? Math.max(cursor, newest);`,
    replace: `cursor = upTo === undefined ? Math.max(cursor, newest) : upTo + 1;`,
  },
];
