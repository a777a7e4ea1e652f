import type { Coordinators } from "../coordinators.ts";
import type { Ledger } from "../ledger.ts";
import type { Orders } from "../orders.ts";
import { idle, type Room } from "../room.ts";
import type { Stage } from "../stage.ts";
import { createBulkBook } from "./bulk-book.ts";
import { createBulkClients } from "./bulk-clients.ts";
import { createChronicle } from "./chronicle.ts";
import { createWorkflowClients, type OnHeard } from "./clients.ts";
import { countWrite } from "./count-write.ts";
import { createEngineRoom } from "./engine.ts";
import { createHistory } from "./history.ts";
import { drawWorkflowLoad, type Focus } from "./load.ts";
import { createManagerRoom, managerId } from "./manager.ts";
import type { Record } from "./manager-events.ts";
import { createPolicyBook } from "./policy-checks.ts";
import { createPolicyClients } from "./policy-clients.ts";
import { createResolvers } from "./resolvers.ts";
import { createRpc } from "./rpc.ts";
import { createRuleClients } from "./rule-clients.ts";
import { createWorkflowWatchers } from "./watchers.ts";
import { createWorkflowDisk } from "./workflow-disk.ts";

/** Rooms that can be switched off, by name. The manager and the engine stay, for all others need them. */
export const workflowRoomSwitches = {
  "clients of workflows": "clients",
  "clients of rules": "ruleClients",
  "watchers of workflows": "watchers",
  "policies of workflows": "policyClients",
  "bulk operations": "bulkClients",
  "operators of holds": "resolvers",
} as const;

/** The workflow manager, the predicate engine, and those who use them. */
export function createWorkflowRooms(
  stage: Stage,
  options: {
    readonly coordinators: Coordinators;
    readonly participants: readonly string[];
    readonly orders: Orders;
    readonly ledger: Ledger;
    readonly focus?: Focus | undefined;
    /** Told what the store was told, and what the engine said. */
    readonly record?: Record | undefined;
  },
): readonly Room[] {
  const { coordinators, participants, orders, ledger, focus, record = () => {} } = options;
  const load = drawWorkflowLoad(stage.dice, focus);
  const rpc = createRpc(stage);
  const engine = createEngineRoom(stage, rpc);
  let acknowledged = 0;
  const disk = createWorkflowDisk(stage);
  const policies = createPolicyBook(() => stage.schedule.nowMs);
  const bulkBook = createBulkBook(stage, disk);
  const chronicle = createChronicle({
    ...{ disk, ledger, managerId, fail: stage.fail },
    rules: { at: (revision) => engine.revisions.get(revision) },
    newestRevision: () => Math.max(...engine.revisions.keys()),
    acknowledgedRevision: () => acknowledged,
    ...{ policies, keptBeforeMs: stage.keptBeforeMs },
  });
  const history = createHistory();
  disk.onWrite((written) => {
    countWrite(stage.tally, written);
    chronicle.onWrite(written);
    if (written.type === "batch") history.onEvents(written.events);
    if (written.type === "purge") history.onPurge(written.workflows);
  });
  const manager = createManagerRoom(stage, { rpc, coordinators, engine, disk, record });
  const onHeard: OnHeard = {
    asked(request) {
      if (chronicle.requestOf(request.by) === undefined) chronicle.onRequest(request);
      return history.asked(request);
    },
    heard(call, heard) {
      history.heard(call, heard);
      chronicle.onHeard(history.requestOf(call), heard);
    },
  };
  const clients = createWorkflowClients(stage, { rpc, manager, participants, orders, load, onHeard });
  const ruleClients = createRuleClients(stage, {
    ...{ rpc, engine, often: load.ruleChanges },
    onChange(revision) {
      acknowledged = Math.max(acknowledged, revision);
    },
  });
  const watchers = createWorkflowWatchers(stage, { rpc, manager, chronicle, count: load.watcherCount });
  const policyClients = createPolicyClients(stage, {
    ...{ rpc, manager, changeCount: load.policyChangeCount, onAnswer: policies.onAnswer },
  });
  const bulkClients = createBulkClients(stage, { rpc, manager, book: bulkBook, count: load.bulkCount });
  const resolvers = createResolvers(stage, { rpc, manager, coordinators, disk, often: load.resolving });
  const books: Room = {
    ...idle,
    async probe() {
      const why = history.whyNotLinearizable();
      if (why !== undefined) stage.fail(`Linearizable: ${why}`);
      stage.tally.count("histories that are linearizable");
      return true;
    },
  };
  const optional = { clients, ruleClients, watchers, policyClients, bulkClients, resolvers };
  const left = Object.entries(workflowRoomSwitches).filter(([name]) => !stage.without.includes(name));
  return [engine, manager, ...left.map(([, room]) => optional[room]), books];
}
