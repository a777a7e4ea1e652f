import { Outcome } from "../../../src/gen/concord/commit/v1/transaction.ts";
import { type WorkflowServiceClient, WorkflowServiceDefinition } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import type { TransactionId } from "../../../src/kernel/ids.ts";
import type { DurationMs } from "../../../src/kernel/time.ts";
import type { Hold } from "../../../src/workflow/core/types.ts";
import type { TransactionOutcome } from "../../../src/workflow/ports.ts";
import type { Coordinators } from "../coordinators.ts";
import { createCable } from "../network.ts";
import { idle, type Room } from "../room.ts";
import type { Stage } from "../stage.ts";
import { insist } from "./insist.ts";
import type { ManagerRoom } from "./manager.ts";
import type { Rpc } from "./rpc.ts";
import type { WorkflowDisk } from "./workflow-disk.ts";

/** Then it is left to its coordinator. */
const lookCountMax = 20;

/**
 * Operators who end holds while the coordinator is not there to do it. They look first how the transaction has ended, as the contract advises: so
 * all that the protocol promises must stay true.
 */
export function createResolvers(
  stage: Stage,
  options: {
    readonly rpc: Rpc;
    readonly manager: Pick<ManagerRoom, "served" | "cutSession">;
    readonly coordinators: Pick<Coordinators, "decisions">;
    readonly disk: WorkflowDisk;
    /** Of the holds: so many are looked at by an operator. */
    readonly often: number;
  },
): Room {
  const { rpc, manager, coordinators, disk, often } = options;
  const { dice, tally, world, say, fail, onFailure } = stage;
  const client = rpc.client<WorkflowServiceClient<{ readonly deadline?: DurationMs }>>({
    ...{ from: world, cable: createCable(), definition: WorkflowServiceDefinition, server: manager.served },
  });
  let busy = 0;

  /** How it has ended, or surely will: who is replaced commits nothing more. */
  async function endOf({ transactionId, coordinatorEpoch }: Hold): Promise<TransactionOutcome | undefined> {
    const { decisions } = coordinators;
    const stored = await decisions.get(transactionId);
    if (stored !== undefined) return stored.outcome;
    return (await decisions.newestEpoch()) > coordinatorEpoch ? "aborted" : undefined;
  }

  /** As long as it is held, and it is not known how it has ended, or it is refused. */
  async function care(workflowId: string): Promise<void> {
    for (let left = lookCountMax; left > 0; left -= 1) {
      await world.sleep(dice.between(0, 3_000));
      const hold = disk.workflow(workflowId)?.hold;
      if (hold === undefined) return;
      const outcome = await endOf(hold);
      if (outcome !== undefined && (await resolve(workflowId, hold.transactionId, outcome))) return;
    }
  }

  /** True if it is done. */
  async function resolve(workflowId: string, transactionId: TransactionId, outcome: TransactionOutcome): Promise<boolean> {
    const asked = { workflowId, transactionId, reason: "its coordinator does not tell", requestedBy: "resolver" };
    const answer = await insist(stage, "resolvers", () =>
      client.resolveTransition(
        { ...asked, outcome: outcome === "committed" ? Outcome.COMMITTED : Outcome.ABORTED },
        { deadline: 10_000 },
      ),
    );
    say(`resolver  ${workflowId} of ${transactionId} ${outcome}: ${typeof answer === "string" ? answer : "OK"}`);
    if (typeof answer === "string") return false;
    tally.count(`resolvers told: ${outcome}`);
    if (answer.event !== undefined) tally.count("resolvers told: the event of a move");
    const ended = (await disk.durable.outcome(transactionId))?.outcome;
    if (ended !== outcome) fail(`ResponseHonest: ${transactionId} is resolved as ${outcome}, and is ${ended} in the store`);
    if (answer.event !== undefined && answer.event.transactionId !== transactionId)
      fail(`ResponseHonest: ${transactionId} is resolved, and the event is of ${answer.event.transactionId}`);
    return true;
  }

  return {
    ...idle,
    open() {
      disk.onWrite((written) => {
        if (written.type !== "batch") return;
        for (const { workflow } of written.batch.puts) {
          if (workflow.hold === undefined || !stage.strikes(often)) continue;
          busy += 1;
          // Otherwise its coordinator is nearly always faster.
          if (dice.chance(0.7)) world.after(dice.between(0, 200), manager.cutSession);
          care(workflow.id).then(() => {
            busy -= 1;
          }, onFailure);
        }
      });
    },
    unsettled: async () => (busy > 0 ? [`${busy} operators wait at the manager`] : []),
  };
}
