import { type Mutant, runMutant } from "../mutants.ts";

const step = "src/workflow/core/step.ts";
const attempt = "src/workflow/attempt.ts";
const moves = "src/workflow/moves.ts";
const creation = "src/workflow/creation.ts";
const participant = "src/workflow/participant.ts";
const fireDeadline = "src/workflow/fire-deadline.ts";
const endHold = "src/workflow/end-hold.ts";

export const workflowMutants: readonly Mutant[] = [
  {
    name: "a terminal state is left",
    file: step,
    find: `if (isTerminal(state)) return err(`,
    replace: `if (isTerminal(state) && version < 0) return err(`,
  },
  {
    name: "the expected version is not compared",
    file: step,
    find: `if (expectedVersion !== undefined && expectedVersion !== version) {`,
    replace: `if (expectedVersion !== undefined && expectedVersion > version + 9) {`,
  },
  {
    name: "what is held is moved",
    file: step,
    find: `if (hold !== undefined) {`,
    replace: `if (hold !== undefined && version < 0) {`,
  },
  {
    name: "what has not failed is recovered",
    file: step,
    find: `if (wanted.mustRecover && from !== "FAILED")`,
    replace: `if (wanted.mustRecover && from === "COMPLETED")`,
  },
  {
    name: "the lifecycle is left to the engine",
    file: step,
    find: `if (verdict.type === "invalid-transition" || !isMove(from, to)) {`,
    replace: `if (verdict.type === "invalid-transition") {`,
  },
  {
    name: "a denial is not heeded",
    file: step,
    find: "return err({ ...verdict, workflowId });",
    replace: "return ok({ ruleSetRevision, warnings: { first: [], omitted: 0 } });",
  },
  {
    name: "a move leaves the version",
    file: step,
    find: `version: workflow.version + 1,`,
    replace: `version: workflow.version,`,
  },
  {
    name: "a move leaves the hold",
    file: step,
    find: `    hold: undefined,\n    retryCount,`,
    replace: `    hold: workflow.hold,\n    retryCount,`,
  },
  {
    name: "an abort leaves the hold",
    file: step,
    find: `return { ...workflow, hold: undefined };`,
    replace: `return { ...workflow };`,
  },
  {
    name: "an event begins elsewhere",
    file: step,
    find: `    fromState: workflow.state,`,
    replace: `    fromState: workflow.previousState,`,
  },
  {
    name: "an update is not judged",
    file: "src/workflow/core/update.ts",
    find: "return consentIn(workflow, verdict);",
    replace: "return ok({ ruleSetRevision: verdict.ruleSetRevision, warnings: { first: [], omitted: 0 } });",
  },
  {
    name: "an update is written over what came between",
    file: "src/workflow/change-once.ts",
    find: "expected: { version, heldBy: undefined }",
    replace: "expected: { version: (await store.get(workflowId))?.version ?? 0, heldBy: undefined }",
  },
  {
    name: "an update ends the deadline",
    file: "src/workflow/core/update.ts",
    find: "changeInPlace(workflow, { metadata },",
    replace: "changeInPlace(workflow, { metadata, deadline: undefined },",
  },
  {
    name: "a deadline outlives its state",
    file: step,
    find: `    recoverableAtMs,\n    deadline,\n  };`,
    replace: `    recoverableAtMs,\n    deadline: deadline ?? workflow.deadline,\n  };`,
  },
  {
    name: "a deadline is made whatever was changed since",
    file: fireDeadline,
    find: `mustHave: deadline, `,
    replace: ``,
  },
  {
    name: "an outage refuses a deadline for good",
    file: fireDeadline,
    find: `return { type: "delayed", cause: error.type };\n    }`,
    replace: `return refuse(due, error.type);\n    }`,
  },
  {
    name: "a refused deadline stays",
    file: "src/workflow/core/set-deadline.ts",
    find: `    { deadline: undefined },`,
    replace: `    {},`,
  },
  {
    name: "a recovery comes too early",
    file: "src/workflow/core/recovery.ts",
    find: `nowMs < recoverableAtMs`,
    replace: `nowMs < 0`,
  },
  {
    name: "one recovery more than the policy allows",
    file: "src/workflow/core/recovery.ts",
    find: `retryCount >= maxAttempts`,
    replace: `retryCount > maxAttempts`,
  },
  {
    name: "an earlier answer is not found",
    file: attempt,
    find: `if (stored === undefined) return undefined;`,
    replace: `if (stored === undefined || stored.digest !== "") return undefined;`,
  },
  {
    name: "silence is consent",
    file: attempt,
    find: `if (!verdict.ok) return err(unjudged(verdict.error, workflowId));`,
    replace: `if (!verdict.ok) return ok({ workflow, consent: { ruleSetRevision: 0, warnings: { first: [], omitted: 0 } } });`,
  },
  {
    name: "a lost race is not run again",
    file: attempt,
    find: `if (conflict.type === "request-exists") return err({ type: "request-exists" });`,
    replace: `return err({ type: "request-exists" });`,
  },
  {
    name: "a batch makes the moves that it may",
    file: attempt,
    find: "if (refused.some((error) => error !== undefined)) return err(",
    replace: "if (refused.every((error) => error !== undefined)) return err(",
  },
  {
    name: "an answer is not remembered",
    file: moves,
    find: `        ...rememberAnswers(
          moves.commands.map(({ move }) => move.request),
          environment,
        ),\n`,
    replace: "",
  },
  {
    name: "a denied start creates",
    file: creation,
    find: `if (!consented.ok) return consented;`,
    replace: `if (!consented.ok) return ok({ created, last: created });`,
  },
  {
    name: "a start has one event",
    file: creation,
    find: `[created.event, last.event]`,
    replace: `[last.event]`,
  },
  {
    name: "more workflows than are allowed",
    file: creation,
    find: `    workflowCountMax,\n    ...rememberAnswers`,
    replace: `    ...rememberAnswers`,
  },
  {
    name: "an abort forgets what is held",
    file: participant,
    find: `const aborted = await endHolds(dependencies, transactionId, "aborted");`,
    replace: `const aborted = undefined;`,
  },
  {
    name: "an abort without a hold is not remembered",
    file: participant,
    find: `if (record.state !== "aborted" ||`,
    replace: `if (record.state !== "committed" ||`,
  },
  {
    name: "a commit is not remembered",
    file: endHold,
    find: `store.apply({ ...batch, ...remembered })`,
    replace: `store.apply(batch)`,
  },
  {
    name: "an abort commits",
    file: endHold,
    find: `const isCommit = outcome === "committed";`,
    replace: `const isCommit = true;`,
  },
];

/** What finds it: the first step of the code that is none of the spec's, or those of the spec that it does not take. Nothing: it survives. */
export const huntWorkflow = (mutant: Mutant, graphs: readonly string[]): Promise<string> =>
  runMutant(mutant, ["src/workflow"], "test/exploration/workflow/hunt.ts", ...graphs);
