import { assert } from "../kernel/assert.ts";
import type { Clock } from "../kernel/clock.ts";
import type { CountQuota } from "../kernel/count-quota.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type Answer, type Attempts, type MoveCommand, type Moves, movesOf, subjectOf } from "./attempt.ts";
import { type Caller, createCalls } from "./calls.ts";
import { type CreateCommand, createOnce } from "./creation.ts";
import { errorOfOne, type ManagerError, type MovesError } from "./errors.ts";
import { createMoves } from "./moves.ts";
import type { OwnPart, Together } from "./own-part.ts";
import type { Asker, CoordinatorSessions } from "./ports.ts";
import { type PossibleMovesQuestion, possibleMoves } from "./possible-moves.ts";
import { type ResolveCommand, resolveTransition } from "./resolve-transition.ts";
import { createRivals } from "./rivals.ts";
import { type DeadlineCommand, setDeadlineOnce } from "./set-deadline.ts";
import { type UpdateCommand, updateOnce } from "./update.ts";

export type Manager = ReturnType<typeof createManager>;

/** Changes workflows. Reading needs no manager: ask the store. */
export function createManager(
  given: Attempts & {
    readonly ownPart: OwnPart;
    readonly sessions: CoordinatorSessions;
    readonly workflowCountMax: number;
    readonly quota?: CountQuota;
    readonly clock: Pick<Clock, "setTimer">;
  },
) {
  const { workflowCountMax, clock } = given;
  const dependencies = { ...given, rivals: createRivals(clock) };
  const calls = createCalls();
  const moves = createMoves(dependencies);

  const moveAll = (wanted: Moves, together: Together | undefined, caller: Caller) =>
    calls.run({ request: wanted.request, workflowId: subjectOf(wanted) }, caller, (call) => moves.all(wanted, together, call));

  return {
    workflowCountMax,

    create: (command: CreateCommand, caller: Caller) =>
      calls.run(command, caller, (call) => createOnce(dependencies, command, call)),

    /** Changes metadata. As a move by itself: not made once all its callers have left. */
    update: (command: UpdateCommand, caller: Caller) =>
      calls.run(command, caller, (call) => updateOnce(dependencies, command, call)),

    /** Makes a move by itself. One whose callers have all left before it is written is not made. */
    move: async (command: MoveCommand, caller: Caller) => only(await moveAll(movesOf(command), undefined, caller)),

    /** Makes a move together with the work of other participants, or not at all. When the last of its callers has left, it is aborted. */
    moveTogether: async (command: MoveCommand, together: Together, caller: Caller) =>
      only(await moveAll(movesOf(command), together, caller)),

    /** Makes all moves of a batch, or none; also together with the work of other participants. */
    moveAll,

    /** Makes each move of a batch by itself. A retry makes those that have not been made. */
    moveEach: (batch: Moves, caller: Caller) =>
      calls.run({ request: batch.request, workflowId: subjectOf(batch) }, caller, (call) => moves.each(batch, call)),

    /** Sets, changes or cancels the deadline of the state that a workflow is in. */
    setDeadline: (command: DeadlineCommand, caller: Caller) =>
      calls.run(command, caller, (call) => setDeadlineOnce(dependencies, command, call)),

    /** Says what a workflow may do next, and attempts nothing. */
    possibleMoves: (question: PossibleMovesQuestion, asker: Asker) => possibleMoves(dependencies, question, asker),

    /** Ends a hold whose coordinator is gone for good. */
    resolve: (command: ResolveCommand) => resolveTransition(dependencies, command),
  };
}

/** The answer to a move by itself. */
function only(moved: Result<readonly Answer[], MovesError>): Result<Answer, ManagerError> {
  if (!moved.ok) return err(errorOfOne(moved.error));
  const [answer] = moved.value;
  assert(answer !== undefined && moved.value.length === 1, "one move has one answer");
  return ok(answer);
}
