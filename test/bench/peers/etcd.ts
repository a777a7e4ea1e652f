// etcd, one node with its default settings (it syncs its log to the disk before it answers): one transaction that compares, puts a state, and
// puts an event, both as long as what Concord writes.
import { join } from "node:path";
import { freePort } from "../../../examples/bank-transfer/postgres.ts";
import { Workflow, WorkflowEvent, WorkflowEventType, WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import type { Generator } from "../load.ts";
import { runProcess } from "../run-process.ts";
import { byLabel, parseSeries } from "../series.ts";
import { type Counts, difference, total } from "../statistics.ts";
import { withCpu } from "./cpu.ts";
import { etcdTransactionBody } from "./etcd-transaction.ts";
import { goBuild } from "./go-build.ts";
import type { Missing, Peer } from "./peer.ts";
import { startProcess } from "./process.ts";

const stateKey = "workflow/bench-0";
const eventKey = "event/bench-0";

const now = new Date("2026-11-27T00:00:00.000Z");
const metadata = { temperature: 4, site: "B" };

const workflow = Workflow.fromPartial({
  workflowId: "bench-0",
  state: WorkflowState.PAUSED,
  previousState: WorkflowState.ACTIVE,
  version: 1_000n,
  createdAt: now,
  updatedAt: now,
  stateEnteredAt: now,
  createdBy: "bench",
  updatedBy: "bench",
  metadata,
});

const event = WorkflowEvent.fromPartial({
  eventId: "01a21aa0-aa61-77d2-850a-5cedf87904f2",
  sequence: 1_000_000n,
  workflowId: "bench-0",
  type: WorkflowEventType.TRANSITION,
  fromState: WorkflowState.ACTIVE,
  toState: WorkflowState.PAUSED,
  version: 1_000n,
  occurredAt: now,
  reason: "measured",
  requestedBy: "bench",
  ruleSetRevision: 2n,
  metadata,
});

const body = etcdTransactionBody({
  stateKey,
  state: Workflow.encode(workflow).finish(),
  eventKey,
  event: WorkflowEvent.encode(event).finish(),
});

export async function openEtcd(folder: string, generator: Generator): Promise<Peer | Missing> {
  const program = goBuild("go.etcd.io/etcd/server/v3", "etcd");
  if (typeof program !== "string") return program;
  const [port, peerPort] = [await freePort(), await freePort()];
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`];
  const args = {
    "data-dir": join(folder, "etcd"),
    "listen-client-urls": client,
    "advertise-client-urls": client,
    "listen-peer-urls": peer,
    "initial-advertise-peer-urls": peer,
    "initial-cluster": `default=${peer}`,
    "log-level": "error",
  };
  const server = await startProcess(
    program,
    Object.entries(args).map(([name, value]) => `--${name}=${value}`),
    async () => (await fetch(`${client}/health`)).ok,
  );
  await post(`${client}/v3/kv/put`, { key: base64(stateKey), value: "" });
  /** How often the state was put, and how often transactions were answered, by gRPC status. */
  const done = async (): Promise<{ readonly puts: number; readonly answers: Counts }> => {
    const { kvs } = (await post(`${client}/v3/kv/range`, { key: base64(stateKey) })) as { kvs: [{ version: string }] };
    const series = parseSeries(await (await fetch(`${client}/metrics`)).text());
    return {
      puts: Number(kvs[0].version),
      answers: byLabel(series, "grpc_server_handled_total", "grpc_code", { grpc_method: "Txn" }),
    };
  };
  return {
    version: (await runProcess(program, ["--version"])).split("\n")[0] ?? "",
    run: ({ concurrency, warmUpMs, durationMs }) =>
      withCpu(server.pid, async () => {
        const before = await done();
        const span = { type: "time", warmUpMs, durationMs } as const;
        const measured = await generator.run({ port, method: "etcdserverpb.KV/Txn", body, concurrency, span });
        const after = await done();
        // What the generator cut off at the end is Canceled, and a transaction whose comparison failed is OK, without a put.
        const { OK: ok = 0, Canceled: _, ...failures } = difference(before.answers, after.answers);
        const carriedOut = after.puts - before.puts;
        return { ...measured, failed: total(failures) + Math.max(0, ok - carriedOut), carriedOut };
      }),
    stop: server.stop,
  };
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

async function post(url: string, request: object): Promise<unknown> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(request) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.json();
}
