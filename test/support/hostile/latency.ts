// A thread with a connection of its own: somebody who asks for one workflow again and again, whatever else the server has to do.
import { setTimeout as pause } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { connect } from "../../../src/cli/client.ts";
import { openChannel } from "../../../src/rpc/clients/channel.ts";

export type Latency = { readonly calls: number; readonly p50: number; readonly p99: number; readonly max: number };

const pauseMs = 5;
/** Who waits longer has left; it counts as this. */
const patienceMs = 20_000;

/** Asks until it is told to stop. In milliseconds. */
export function measureLatency(address: string, workflowId: string): { readonly stop: () => Promise<Latency> } {
  const worker = new Worker(new URL(import.meta.url), { workerData: { address, workflowId } });
  const ended = new Promise<Latency>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  return {
    stop: () => {
      worker.postMessage("stop");
      return ended;
    },
  };
}

async function ask({ address, workflowId }: { readonly address: string; readonly workflowId: string }): Promise<Latency> {
  let isOver = false;
  parentPort?.once("message", () => {
    isOver = true;
  });
  const channel = openChannel(address);
  const { workflows } = connect(channel);
  const tookMs: number[] = [];
  while (!isOver) {
    const startMs = performance.now();
    await workflows.getWorkflow({ workflowId }, { deadline: patienceMs }).catch(() => undefined);
    tookMs.push(performance.now() - startMs);
    await pause(pauseMs);
  }
  channel.close();
  tookMs.sort((a, b) => a - b);
  const at = (share: number): number => tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))] ?? Number.NaN;
  return { calls: tookMs.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

if (!isMainThread) parentPort?.postMessage(await ask(workerData));
