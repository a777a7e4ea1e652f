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
  rememberAnswer,
  stampOf,
} from "./attempt.ts";
import { applyMove, create } from "./core/step.ts";
import type { ManagerError } from "./errors.ts";
import type { OwnPart, Together } from "./participant.ts";
import type { WorkflowBatch } from "./ports.ts";

export type CreateCommand = {
  readonly workflowId: WorkflowId | undefined;
  readonly metadata: JsonObject;
  readonly reason: string;
  readonly requestedBy: string;
  readonly request: RequestKey | undefined;
};

export type Manager = ReturnType<typeof createManager>;

/** Changes workflows. Reading needs no manager: ask the store. */
export function createManager(dependencies: Attempts & { readonly ownPart: OwnPart; readonly workflowCountMax: number }) {
  const { store, environment, ownPart, workflowCountMax } = dependencies;

  /** Applies a batch of one workflow and one event. */
  async function applyOne(batch: WorkflowBatch) {
    const applied = await store.apply(batch);
    if (!applied.ok) return applied;
    const [put] = batch.puts;
    const [event] = applied.value;
    assert(put !== undefined && event !== undefined, "EventPerChange");
    return ok({ workflow: put.workflow, event });
  }

  return {
    workflowCountMax,

    async create(command: CreateCommand): Promise<Result<Answer, ManagerError>> {
      const earlier = await earlierAnswer(store, command.request);
      if (earlier !== undefined) return earlier;
      const workflowId = command.workflowId ?? (environment.newId() as WorkflowId);
      const { workflow, event } = create({ ...command, id: workflowId }, stampOf(environment));
      const applied = await applyOne({
        puts: [{ workflow, expected: "absent" }],
        events: [event],
        workflowCountMax,
        ...rememberAnswer(command.request, environment),
      });
      if (applied.ok) return applied;
      if (applied.error.type === "storage-unavailable") return err(applied.error);
      // A retry may have raced with its original.
      const original = await earlierAnswer(store, command.request);
      if (original !== undefined) return original;
      return applied.error.conflict.type === "limit"
        ? err({ type: "workflow-limit-reached", limit: workflowCountMax })
        : err({ type: "workflow-already-exists", workflowId });
    },

    /** Makes a move by itself. */
    async move(command: MoveCommand): Promise<Result<Answer, ManagerError>> {
      const { move } = command;
      const earlier = await earlierAnswer(store, move.request);
      if (earlier !== undefined) return earlier;
      const moved = await judgeAndWrite(dependencies, command, ({ workflow: judged, ruleSetRevision }) => {
        const { workflow, event } = applyMove(judged, move, ruleSetRevision, stampOf(environment), undefined);
        return applyOne({
          puts: [{ workflow, expected: { version: judged.version, heldBy: undefined } }],
          events: [event],
          ...rememberAnswer(move.request, environment),
        });
      });
      if (moved.ok) return moved;
      // A retry that raced with its original lost to it, one way or another.
      const original = await earlierAnswer(store, move.request);
      if (original !== undefined) return original;
      assert(moved.error.type !== "request-exists", "AtMostOncePerRequestId");
      return err(moved.error);
    },

    /** Makes a move together with the work of other participants, or not at all. */
    async moveTogether(command: MoveCommand, together: Together): Promise<Result<Answer, ManagerError>> {
      const earlier = await earlierAnswer(store, command.move.request);
      if (earlier !== undefined) return earlier;
      // What is refused already needs no transaction. The prepare judges again, for what is true now may not be true then.
      const judged = await judge(dependencies, command);
      return judged.ok ? ownPart.run(command, together) : judged;
    },
  };
}
