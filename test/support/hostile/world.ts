import { join } from "node:path";
import { credentials, Client as GrpcClient, type ServiceError } from "@grpc/grpc-js";
import { ClientError } from "nice-grpc";
import { type Clients, connect } from "../../../src/cli/client.ts";
import { WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { structValueCountMax } from "../../../src/kernel/limits.ts";
import { openChannel } from "../../../src/rpc/clients/channel.ts";
import { openSqliteVerdictLog } from "../../../src/storage/sqlite/verdict-log.ts";
import { openSqliteWorkflowStore } from "../../../src/storage/sqlite/workflow-store.ts";
import type { WorkflowBatch, WorkflowStore } from "../../../src/workflow/ports.ts";
import { createProtoClient } from "../proto-client.ts";
import { checkOf } from "../rule-values.ts";
import { joinAs } from "../scripted-participant.ts";
import { creation, hold } from "../storage-values.ts";
import { recordAt } from "../verdict-values.ts";

/** How much there is of what callers can make the server walk through. */
export type Sizes = { readonly events: number; readonly holds: number; readonly unfinished: number };

const { ACTIVE, FAILED, PAUSED } = WorkflowState;
export const by = { reason: "hostile", requestedBy: "mallory" };
const batchSize = 500;
const verdictCount = 4_000;
const wideEach = 200;
/** Quadratic in the numbers of the workflow. */
const pairs = "workflow.metadata.numbers.all(x, workflow.metadata.numbers.all(y, y >= 0.0))";
/** As dear, whatever the workflow has. */
const digits = `[${Array.from({ length: 40 }, (_, index) => index).join(",")}]`;
const withoutData = `${digits}.all(x, ${digits}.all(y, ${digits}.all(z, x + y + z >= 0)))`;
const ruleCountWithoutData = 8;

/** A hostile caller's way to a server, and what it finds there. */
export type HostileWorld = {
  readonly address: string;
  readonly clients: Clients;
  readonly sizes: Sizes;
  /** A call with these bytes for its request. Resolves however it ends, with its status. */
  readonly raw: (path: string, bytes: Uint8Array) => Promise<number>;
  readonly close: () => void;
};

/** Writes workflows and holds before a server starts on them. */
export async function seedStores(dataDir: string, { events, holds }: Sizes): Promise<void> {
  const opened = await openSqliteWorkflowStore({ path: join(dataDir, "workflow.sqlite") });
  if (!opened.ok) throw new Error(opened.error.message);
  const store = opened.value;
  await inBatches(store, events, (index) => creation(`seed-${index}`));
  await inBatches(store, holds, (index) => creation(`held-${index}`, { hold: hold(`gone-${index}`) }));
  await store.close();
  await seedVerdicts(dataDir);
}

/** Verdicts with questions, some of which are as wide as they may be. */
async function seedVerdicts(dataDir: string): Promise<void> {
  const opened = await openSqliteVerdictLog({ path: join(dataDir, "verdicts.sqlite") });
  if (!opened.ok) throw new Error(opened.error.message);
  const log = opened.value;
  const wide = Object.fromEntries(Array.from({ length: structValueCountMax - 1 }, (_, index) => [`k${index}`, index]));
  const widest = recordAt(0, undefined, checkOf({ context: wide, workflow: { metadata: wide } }), true);
  const usual = recordAt(0, undefined, undefined, true);
  await log.append(Array.from({ length: verdictCount }, (_, index) => (index % wideEach === 0 ? widest : usual)));
  await log.close();
}

async function inBatches(store: WorkflowStore, count: number, batchOf: (index: number) => WorkflowBatch): Promise<void> {
  for (let from = 0; from < count; from += batchSize) {
    const batches = Array.from({ length: Math.min(batchSize, count - from) }, (_, index) => batchOf(from + index));
    await store.apply({ puts: batches.flatMap(({ puts }) => puts), events: batches.flatMap(({ events }) => events) });
  }
}

/** Rules, unfinished transactions, and a participant that agrees to all. */
export async function openHostileWorld(address: string, sizes: Sizes): Promise<HostileWorld> {
  const channel = openChannel(address);
  const clients = connect(channel);
  const grpc = new GrpcClient(address, credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
  const proto = createProtoClient(address);
  void (await joinAs(proto, "stock")).agreeToAll();
  await createRules(clients);
  const begin = () => clients.commits.beginTransaction({ idleTimeout: { seconds: 600n, nanos: 0 }, ...by });
  await times(sizes.unfinished, begin);
  await clients.workflows.createWorkflow({
    workflowId: "dear",
    metadata: { numbers: Array.from({ length: 110 }, (_, n) => n) },
    ...by,
  });
  await clients.workflows.transitionWorkflow({ workflowId: "dear", targetState: ACTIVE, ...by });
  return {
    address,
    clients,
    sizes,
    raw: (path, bytes) =>
      new Promise((resolve) => {
        const same = (message: Uint8Array): Buffer => Buffer.from(message);
        grpc.makeUnaryRequest(
          path,
          same,
          (answer) => answer,
          bytes,
          (error: ServiceError | null) => resolve(error?.code ?? 0),
        );
      }),
    close: () => {
      channel.close();
      grpc.close();
      proto.close();
    },
  };
}

async function createRules({ predicates }: Clients): Promise<void> {
  const create = async (ruleId: string, expression: string, toState: WorkflowState): Promise<void> => {
    await predicates.createRule({ ruleId, expression, moves: [{ fromState: ACTIVE, toState }], ...by });
    await predicates.activateRule({ ruleId, ...by });
  };
  await create("pairs", pairs, PAUSED);
  for (let index = 0; index < ruleCountWithoutData; index += 1) await create(`data-${index}`, withoutData, FAILED);
}

/** So many calls, some at a time. A refusal is an answer. */
export async function times(count: number, call: (index: number) => Promise<unknown>, atOnce = 64): Promise<void> {
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < count) await answered(call(next++));
  };
  await Promise.all(Array.from({ length: atOnce }, caller));
}

export async function answered(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    const isRefusal = error instanceof ClientError || (error instanceof Error && error.name === "AbortError");
    if (!isRefusal) throw error;
  }
}
