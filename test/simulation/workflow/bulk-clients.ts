import { type BulkAction, type BulkOperation, BulkOperationState as State } from "../../../src/gen/concord/workflow/v1/bulk.ts";
import { WorkflowState as WireState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { type WorkflowServiceClient, WorkflowServiceDefinition } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { allowedMoves } from "../../../src/kernel/lifecycle.ts";
import type { DurationMs } from "../../../src/kernel/time.ts";
import { createCable } from "../network.ts";
import { idle, type Room } from "../room.ts";
import type { Stage } from "../stage.ts";
import type { BulkBook } from "./bulk-book.ts";
import { insist } from "./insist.ts";
import type { ManagerRoom } from "./manager.ts";
import type { Rpc } from "./rpc.ts";

const states = ["CREATED", "ACTIVE", "PAUSED", "FAILED"] as const;

/** Those that act on many workflows at once: they start operations, pause, resume and cancel them, and wait for their end. */
export function createBulkClients(
  stage: Stage,
  options: { readonly rpc: Rpc; readonly manager: Pick<ManagerRoom, "served">; readonly book: BulkBook; readonly count: number },
): Room {
  const { rpc, manager, book, count } = options;
  const { dice, tally, world, say, fail, onFailure } = stage;
  const client = rpc.client<WorkflowServiceClient<{ readonly deadline?: DurationMs }>>({
    ...{ from: world, cable: createCable(), definition: WorkflowServiceDefinition, server: manager.served, mayRepeat: true },
  });
  const deadline = { deadline: 30_000 };
  let open = 0;
  let made = 0;

  /** One that makes sense in this state, mostly. */
  function drawAction(state: (typeof states)[number]): BulkAction {
    const rest = { context: undefined, eventMetadata: undefined };
    if (dice.chance(0.2)) {
      return { action: { $case: "metadataUpdate", value: { metadataPatch: { locked: dice.chance(0.5) }, ...rest } } };
    }
    if (state === "FAILED" && dice.chance(0.5)) return { action: { $case: "recovery", value: rest } };
    return { action: { $case: "transition", value: { targetState: WireState[dice.pick(allowedMoves(state))], ...rest } } };
  }

  const tell = (what: string, id: string, answer: { readonly operation?: BulkOperation | undefined } | string): void =>
    say(`bulk  ${what} ${id}: ${typeof answer === "string" ? answer : answer.operation?.state}`);

  const asked = () => {
    made += 1;
    return { requestId: `bulk${made}`, reason: "a world", requestedBy: "bulk" };
  };

  /** Stops it, and perhaps lets it go on. */
  async function meddle(bulkOperationId: string): Promise<void> {
    const isPause = dice.chance(0.7);
    const request = { bulkOperationId, ...asked() };
    const stopped = await insist(stage, "bulk clients", () =>
      isPause ? client.pauseBulkOperation(request, deadline) : client.cancelBulkOperation(request, deadline),
    );
    tell(isPause ? "pause" : "cancel", bulkOperationId, stopped);
    if (typeof stopped === "string") return;
    tally.count(`bulk operations told: ${isPause ? "paused" : "cancelled"}`);
    book.onStopped(bulkOperationId);
    await world.sleep(dice.between(0, 5_000));
    if (isPause) await resume(bulkOperationId);
  }

  async function resume(bulkOperationId: string): Promise<void> {
    book.onResume(bulkOperationId);
    tell(
      "resume",
      bulkOperationId,
      await insist(stage, "bulk clients", () => client.resumeBulkOperation({ bulkOperationId, ...asked() }, deadline)),
    );
  }

  async function run(): Promise<void> {
    const state = dice.pick(states);
    const request = {
      ...asked(),
      // Half of them find also what refuses.
      filter: dice.chance(0.5) ? `workflow.state == "${state}"` : 'workflow.state != "COMPLETED"',
      action: drawAction(state),
      dryRun: dice.chance(0.2),
      ratePerSecond: dice.pick([1, 1, 2, 100]),
    };
    const started = await insist(stage, "bulk clients", () => client.startBulkOperation(request, deadline));
    if (typeof started === "string") return;
    const id = started.operation?.bulkOperationId ?? "";
    tell("start", id, started);
    if (dice.chance(0.2)) {
      const again = await insist(stage, "bulk clients", () => client.startBulkOperation(request, deadline));
      if (typeof again === "string" || again.operation?.bulkOperationId !== id)
        fail(`AtMostOncePerRequestId: ${id} is started again`);
    }
    for (let left = dice.between(0, 2); left > 0; left -= 1) {
      await world.sleep(dice.between(0, 1_500));
      await meddle(id);
    }
    for (;;) {
      const found = await insist(stage, "bulk clients", () => client.getBulkOperation({ bulkOperationId: id }, deadline));
      if (typeof found === "string" || found.operation === undefined) return fail(`BulkComplete: ${id} is not there: ${found}`);
      const { operation } = found;
      if (operation.state === State.COMPLETED || operation.state === State.CANCELLED) {
        tell("ended", id, found);
        tally.count(`bulk operations: ${operation.state.replace("BULK_OPERATION_STATE_", "")}`);
        return book.onEnd(operation);
      }
      if (operation.state === State.PAUSED) await resume(id);
      await world.sleep(dice.between(1_000, 5_000));
    }
  }

  return {
    ...idle,
    open() {
      for (let left = count; left > 0; left -= 1) {
        world.after(dice.between(0, stage.chaosMs / 2), () => {
          open += 1;
          run().then(() => {
            open -= 1;
          }, onFailure);
        });
      }
    },
    unsettled: async () => (open > 0 ? [`${open} bulk operations are not over`] : []),
  };
}
