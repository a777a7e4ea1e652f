import type { PolicyTerms } from "../../../src/gen/concord/workflow/v1/policy.ts";
import { WorkflowState as WireState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { type WorkflowServiceClient, WorkflowServiceDefinition } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import type { DurationMs } from "../../../src/kernel/time.ts";
import { durationToWire } from "../../../src/rpc/duration.ts";
import { createCable } from "../network.ts";
import { idle, type Room } from "../room.ts";
import type { Stage } from "../stage.ts";
import { insist } from "./insist.ts";
import type { ManagerRoom } from "./manager.ts";
import type { Rpc } from "./rpc.ts";
import { workflowType } from "./verbs.ts";

/** No way leads round: every workflow comes to its end. */
const deadlines = [
  { state: "CREATED", targetState: "ACTIVE" },
  { state: "ACTIVE", targetState: "FAILED" },
  { state: "PAUSED", targetState: "ACTIVE" },
  { state: "FAILED", targetState: "CANCELLED" },
] as const;

/** Sets the policy of the type, and deletes it: deadlines, recoveries, retention. */
export function createPolicyClients(
  stage: Stage,
  options: {
    readonly rpc: Rpc;
    readonly manager: Pick<ManagerRoom, "served">;
    readonly changeCount: number;
    /** A change is answered: whatever is asked for from now on is under it. */
    readonly onAnswer: () => void;
  },
): Room {
  const { rpc, manager, changeCount, onAnswer } = options;
  const { dice, tally, world, say, onFailure } = stage;
  const client = rpc.client<WorkflowServiceClient<{ readonly deadline?: DurationMs }>>({
    ...{ from: world, cable: createCable(), definition: WorkflowServiceDefinition, server: manager.served, mayRepeat: true },
  });
  let isOver = changeCount === 0;

  const draw = (): PolicyTerms => ({
    deadlines: deadlines
      .filter(() => dice.chance(0.3))
      .map(({ state, targetState }) => ({
        state: WireState[state],
        targetState: WireState[targetState],
        after: durationToWire(dice.pick([1, 3_000, 20_000])),
        reason: "deadline",
      })),
    recovery: dice.chance(0.6)
      ? {
          maxAttempts: dice.chance(0.5) ? dice.between(0, 1) : undefined,
          initialBackoff: durationToWire(dice.pick([0, 2_000, 15_000])),
          multiplier: undefined,
          maxBackoff: undefined,
        }
      : undefined,
    retention: dice.chance(0.6)
      ? { after: durationToWire(dice.pick([0, 2_000, 20_000])), archive: false, freeIds: false }
      : undefined,
    indexedMetadata: [],
  });

  async function change(): Promise<void> {
    for (let number = 1; number <= changeCount; number += 1) {
      await world.sleep(dice.between(0, stage.isCalm ? 100 : stage.chaosMs / changeCount));
      const asked = { workflowType, requestId: `policy${number}`, reason: "a world", requestedBy: "policies" };
      const terms = dice.chance(0.8) ? draw() : undefined;
      const answer = await insist(stage, "policy clients", () =>
        terms === undefined
          ? client.deleteWorkflowTypePolicy(asked, { deadline: 30_000 })
          : client.setWorkflowTypePolicy({ ...asked, terms }, { deadline: 30_000 }),
      );
      say(`policies  ${terms === undefined ? "delete" : "set"} ${number}: ${typeof answer === "string" ? answer : "OK"}`);
      if (typeof answer === "string") continue;
      tally.count(terms === undefined ? "policies deleted" : "policies set");
      onAnswer();
    }
    isOver = true;
  }

  return {
    ...idle,
    open: () => void change().catch(onFailure),
    unsettled: async () => (isOver ? [] : ["a change of the policy waits"]),
  };
}
