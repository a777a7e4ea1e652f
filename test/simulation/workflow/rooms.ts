import type { Record } from "../../../scripts/verify/traces/manager/events.ts";
import type { Coordinators } from "../coordinators.ts";
import type { Orders } from "../orders.ts";
import type { Room } from "../room.ts";
import type { Stage } from "../stage.ts";
import { createWorkflowClients } from "./clients.ts";
import { createEngineRoom } from "./engine.ts";
import { drawWorkflowLoad } from "./load.ts";
import { createManagerRoom } from "./manager.ts";
import { createRpc } from "./rpc.ts";
import { createRuleClients } from "./rule-clients.ts";

/** The workflow manager, the predicate engine, and those who use them. */
export function createWorkflowRooms(
  stage: Stage,
  options: {
    readonly coordinators: Coordinators;
    readonly participants: readonly string[];
    readonly orders: Orders;
    /** Told what the store was told, and what the engine said. */
    readonly record?: Record | undefined;
  },
): readonly Room[] {
  const { coordinators, participants, orders, record = () => {} } = options;
  const load = drawWorkflowLoad(stage.dice);
  const rpc = createRpc(stage);
  const engine = createEngineRoom(stage, rpc);
  const manager = createManagerRoom(stage, { rpc, coordinators, engine, record, onWrite: async () => {} });
  let calls = 0;
  const onHeard = { asked: () => ++calls, heard() {} };
  const clients = createWorkflowClients(stage, { rpc, manager, participants, orders, load, onHeard });
  const ruleClients = createRuleClients(stage, { rpc, engine, often: load.ruleChanges, onChange() {} });
  return [engine, manager, ruleClients, clients];
}
