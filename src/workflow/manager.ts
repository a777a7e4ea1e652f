import { assert } from "../kernel/assert.ts";
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
} from "./attempt.ts";
import { type Call, type Caller, createCalls } from "./calls.ts";
import { type DeadlineProblem, deadlineProblem } from "./core/deadline.ts";
import { applyMove } from "./core/step.ts";
import { type CreateCommand, createOnce } from "./creation.ts";
import type { ManagerError } from "./errors.ts";
import { type OwnPart, participantsOf, type Together } from "./own-part.ts";
import type { Asker, CoordinatorSessions, WorkflowBatch } from "./ports.ts";
import { type PossibleMovesQuestion, possibleMoves } from "./possible-moves.ts";
import { type ResolveCommand, resolveTransition } from "./resolve-transition.ts";
import { type DeadlineCommand, setDeadlineOnce } from "./set-deadline.ts";
import { type UpdateCommand, updateOnce } from "./update.ts";

export type Manager = ReturnType<typeof createManager>;

/** Changes workflows. Reading needs no manager: ask the store. */
export function createManager(
  dependencies: Attempts & {
    readonly ownPart: OwnPart;
    readonly sessions: CoordinatorSessions;
    readonly workflowCountMax: number;
  },
) {
  const { store, environment, ownPart, workflowCountMax } = dependencies;
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

  const problemOf = ({ move: { targetState, deadline } }: MoveCommand): DeadlineProblem | undefined =>
    deadline && deadlineProblem(targetState, deadline, environment.nowMs());

  async function moveOnce(command: MoveCommand, call: Call): Promise<Result<Answer, ManagerError>> {
    const { move } = command;
    const earlier = await earlierAnswer(store, move.request);
    if (earlier !== undefined) return earlier;
    const problem = problemOf(command);
    if (problem !== undefined) return err({ type: "deadline-invalid", problem });
    const moved = await judgeAndWrite(dependencies, command, undefined, call, ({ workflow: judged, consent }) => {
      const { workflow, event } = applyMove(judged, move, consent, stampOf(environment, judged.type), undefined);
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
      const problem = problemOf(command);
      if (problem !== undefined) return err({ type: "deadline-invalid", problem });
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

    create: (command: CreateCommand, caller: Caller) =>
      calls.run(command, caller, (call) => createOnce(dependencies, command, call)),

    /** Changes metadata. As a move by itself: not made once all its callers have left. */
    update: (command: UpdateCommand, caller: Caller) =>
      calls.run(command, caller, (call) => updateOnce(dependencies, command, call)),

    /** Makes a move by itself. One whose callers have all left before it is written is not made. */
    move: (command: MoveCommand, caller: Caller) => calls.run(subjectOf(command), caller, (call) => moveOnce(command, call)),

    /** Makes a move together with the work of other participants, or not at all. When the last of its callers has left, it is aborted. */
    moveTogether: (command: MoveCommand, together: Together, caller: Caller) =>
      calls.run(subjectOf(command), caller, (call) => moveTogetherOnce(command, together, call)),

    /** Sets, changes or cancels the deadline of the state that a workflow is in. */
    setDeadline: (command: DeadlineCommand, caller: Caller) =>
      calls.run(command, caller, () => setDeadlineOnce(dependencies, command)),

    /** Says what a workflow may do next, and attempts nothing. */
    possibleMoves: (question: PossibleMovesQuestion, asker: Asker) => possibleMoves(dependencies, question, asker),

    /** Ends a hold whose coordinator is gone for good. */
    resolve: (command: ResolveCommand) => resolveTransition(dependencies, command),
  };
}

const subjectOf = ({ workflowId, move }: MoveCommand) => ({ workflowId, request: move.request });
