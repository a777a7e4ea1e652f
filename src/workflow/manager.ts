import { assert } from "../kernel/assert.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import {
  type Answer,
  type Attempts,
  earlierAnswer,
  judge,
  judgeAndWrite,
  type MoveCommand,
  raceCountMax,
  rememberAnswer,
  stampOf,
  unjudged,
} from "./attempt.ts";
import { type Call, type Caller, createCalls } from "./calls.ts";
import { applyMove, create } from "./core/step.ts";
import type { ManagerError } from "./errors.ts";
import { type OwnPart, participantsOf, type Together } from "./own-part.ts";
import type { Asker, CoordinatorSessions, WorkflowBatch } from "./ports.ts";
import { type PossibleMovesQuestion, possibleMoves } from "./possible-moves.ts";
import { type ResolveCommand, resolveTransition } from "./resolve-transition.ts";

export type CreateCommand = {
  readonly workflowId: WorkflowId | undefined;
  readonly type: string;
  readonly metadata: JsonObject;
  readonly reason: string;
  readonly requestedBy: string;
  readonly request: RequestKey | undefined;
};

export type Manager = ReturnType<typeof createManager>;

/** Changes workflows. Reading needs no manager: ask the store. */
export function createManager(
  dependencies: Attempts & {
    readonly ownPart: OwnPart;
    readonly sessions: CoordinatorSessions;
    readonly workflowCountMax: number;
  },
) {
  const { store, predicates, environment, ownPart, workflowCountMax } = dependencies;
  const calls = createCalls();

  /** Applies a batch of one workflow and one event. */
  async function applyOne(batch: WorkflowBatch) {
    const applied = await store.apply(batch);
    if (!applied.ok) return applied;
    const [put] = batch.puts;
    const [event] = applied.value;
    assert(put !== undefined && event !== undefined, "EventPerChange");
    return ok({ workflow: put.workflow, event });
  }

  /** Yields the rule-set revision with which the metadata was checked; 0: without a type, nothing can be asked of it. */
  async function checkMetadata(
    { type: workflowType, metadata }: CreateCommand,
    workflowId: WorkflowId,
    call: Call,
  ): Promise<Result<number, ManagerError>> {
    if (workflowType === "") return ok(0);
    const verdict = await predicates.checkMetadata({ workflowType, metadata }, call);
    if (!verdict.ok) return err(unjudged(verdict.error, workflowId));
    if (call.signal.aborted) return err({ type: "outcome-pending", workflowId, transactionId: undefined });
    const { violations, ruleSetRevision } = verdict.value;
    return violations.length === 0
      ? ok(ruleSetRevision)
      : err({ type: "metadata-invalid", workflowType, ruleSetRevision, violations });
  }

  async function createOnce(command: CreateCommand, call: Call): Promise<Result<Answer, ManagerError>> {
    const earlier = await earlierAnswer(store, command.request);
    if (earlier !== undefined) return earlier;
    const workflowId = command.workflowId ?? (environment.newId() as WorkflowId);
    const checked = await checkMetadata(command, workflowId, call);
    if (!checked.ok) return checked;
    const { workflow, event } = create({ ...command, id: workflowId, ruleSetRevision: checked.value }, stampOf(environment));
    const applied = await applyOne({
      puts: [{ workflow, expected: "absent" }],
      events: [event],
      workflowCountMax,
      ...rememberAnswer(command.request, environment),
    });
    if (applied.ok) return applied;
    if (applied.error.type === "storage-unavailable") return err(applied.error);
    // Its original may have been written since.
    const original = await earlierAnswer(store, command.request);
    if (original !== undefined) return original;
    return applied.error.conflict.type === "limit"
      ? err({ type: "workflow-limit-reached", limit: workflowCountMax })
      : err({ type: "workflow-already-exists", workflowId });
  }

  async function moveOnce(command: MoveCommand, call: Call): Promise<Result<Answer, ManagerError>> {
    const { move } = command;
    const earlier = await earlierAnswer(store, move.request);
    if (earlier !== undefined) return earlier;
    const moved = await judgeAndWrite(dependencies, command, undefined, call, ({ workflow: judged, consent }) => {
      const { workflow, event } = applyMove(judged, move, consent, stampOf(environment), undefined);
      return applyOne({
        puts: [{ workflow, expected: { version: judged.version, heldBy: undefined } }],
        events: [event],
        ...rememberAnswer(move.request, environment),
      });
    });
    if (moved.ok) return moved;
    // What it lost to may have been its original, whose answer is then the answer.
    const original = await ownPart.earlier(command, call);
    if (original !== undefined) return original;
    assert(moved.error.type !== "request-exists", "AtMostOncePerRequestId");
    return err(moved.error);
  }

  async function moveTogetherOnce(command: MoveCommand, together: Together, call: Call): Promise<Result<Answer, ManagerError>> {
    const { request } = command.move;
    const transaction = { transactionId: undefined, participantIds: participantsOf(together) };
    for (let attempt = 1; ; attempt += 1) {
      const earlier = await ownPart.earlier(command, call);
      if (earlier !== undefined) return earlier;
      // What is refused already needs no transaction. The prepare judges again, for what is true now may not be true then.
      const judged = await judge(dependencies, command, transaction, call);
      const moved = judged.ok ? await ownPart.run(command, together, call) : judged;
      if (moved.ok) return moved;
      const { error } = moved;
      const metItself = request !== undefined && error.type === "in-transition" && error.heldFor === request.id;
      if (!metItself || attempt === raceCountMax) return (await earlierAnswer(store, request)) ?? moved;
    }
  }

  return {
    workflowCountMax,

    create: (command: CreateCommand, caller: Caller) => calls.run(command, caller, (call) => createOnce(command, call)),

    /** Makes a move by itself. One whose callers have all left before it is written is not made. */
    move: (command: MoveCommand, caller: Caller) => calls.run(subjectOf(command), caller, (call) => moveOnce(command, call)),

    /** Makes a move together with the work of other participants, or not at all. When the last of its callers has left, it is aborted. */
    moveTogether: (command: MoveCommand, together: Together, caller: Caller) =>
      calls.run(subjectOf(command), caller, (call) => moveTogetherOnce(command, together, call)),

    /** Says what a workflow may do next, and attempts nothing. */
    possibleMoves: (question: PossibleMovesQuestion, asker: Asker) => possibleMoves(dependencies, question, asker),

    /** Ends a hold whose coordinator is gone for good. */
    resolve: (command: ResolveCommand) => resolveTransition(dependencies, command),
  };
}

const subjectOf = ({ workflowId, move }: MoveCommand) => ({ workflowId, request: move.request });
