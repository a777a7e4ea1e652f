import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/concord.ts";
import { attacks, carryOut } from "../support/http2-abuse.ts";
import { type Server, serve } from "../support/process.ts";
import { createProtoClient, type ProtoClient } from "../support/proto-client.ts";
import { until } from "../support/until.ts";

const data = temporaryFolder();
const burstCount = 20;

/** What all attacks together may leave behind: garbage that nobody had reason to collect yet. A leak, or a queue, would be of gigabytes. */
const residentBytesMax = 512 * 1024 * 1024;

let server: Server;
let metricsAddress: string;
let client: ProtoClient;
let quiet: Load;
let residentBytes: number;

beforeAll(async () => {
  server = await serve(data.path, { flags: ["--metrics-listen", "127.0.0.1:0", "--log-level", "info", "--max-calls", "4096"] });
  metricsAddress = String((await server.logged("serving"))["metrics"]);
  client = createProtoClient(server.address);
  await client.call("WorkflowService/CreateWorkflow", { workflow_id: "w", metadata: { text: "x".repeat(60_000) } });
  quiet = await until(async () => {
    const now = await load();
    return now.calls === 1 ? now : undefined;
  }, "the workflow manager has its session, and there is nothing else");
  residentBytes = await metric(/^process_resident_memory_bytes (\S+)/m);
});

afterAll(async () => {
  client.close();
  expect(await server.terminate(), server.text()).toBe(0);
  data.remove();
});

type Load = { readonly connections: number; readonly calls: number };

async function metricsText(): Promise<string> {
  return (await fetch(`http://${metricsAddress}/metrics`)).text();
}

async function metric(pattern: RegExp): Promise<number> {
  return Number(pattern.exec(await metricsText())?.[1]);
}

async function load(): Promise<Load> {
  const text = await metricsText();
  const calls = [...text.matchAll(/^concord_calls_under_way\{.*\} (\d+)/gm)].map(([, count]) => Number(count));
  return {
    connections: Number(/^concord_connections_open (\d+)/m.exec(text)?.[1]),
    calls: calls.reduce((sum, count) => sum + count, 0),
  };
}

test.each(attacks)("$name: others are served, and nothing stays behind", async (attack) => {
  let attacks = true;
  const attacked = carryOut(attack, server.address, (bursts) => bursts < burstCount).finally(() => {
    attacks = false;
  });
  while (attacks) {
    const { workflow } = await client.call("WorkflowService/GetWorkflow", { workflow_id: "w" });
    expect(workflow.workflow_id).toBe("w");
  }
  await attacked;
  let left: Load | undefined;
  await until(
    async () => {
      left = await load();
      return left.connections <= quiet.connections && left.calls <= quiet.calls;
    },
    "all of it is over",
    { describe: () => `${JSON.stringify(left)}, before ${JSON.stringify(quiet)}` },
  );
  expect(await metric(/^process_resident_memory_bytes (\S+)/m)).toBeLessThan(residentBytes + residentBytesMax);
});
