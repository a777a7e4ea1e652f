import type { HeapProfiler, Profiler } from "node:inspector";

/** A thread of the program that is watched. */
export type Thread = {
  readonly name: string;
  readonly send: <Answer>(method: string, params?: object) => Promise<Answer>;
};

export type CpuProfile = Profiler.Profile;
export type AllocationProfile = HeapProfiler.SamplingHeapProfile;

type Message = {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId: string; readonly workerInfo?: { readonly url: string }; readonly message?: string };
  readonly result?: unknown;
  readonly error?: { readonly message: string };
};

/** Speaks Chrome's protocol with a program that was started with --inspect, and with each of its worker threads. */
export async function openInspector(url: string): Promise<{ readonly threads: readonly Thread[]; readonly close: () => void }> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const waiting = new Map<string, PromiseWithResolvers<unknown>>();
  let sent = 0;
  const sender =
    (session: string, transmit: (message: string) => void): Thread["send"] =>
    <Answer>(method: string, params: object = {}) => {
      sent += 1;
      const answer = Promise.withResolvers<unknown>();
      waiting.set(`${session}/${sent}`, answer);
      transmit(JSON.stringify({ id: sent, method, params }));
      return answer.promise as Promise<Answer>;
    };
  const settle = (session: string, { id, result, error }: Message): void => {
    const answer = waiting.get(`${session}/${id}`);
    waiting.delete(`${session}/${id}`);
    if (error === undefined) answer?.resolve(result);
    else answer?.reject(new Error(error.message));
  };

  const main: Thread = { name: "main", send: sender("", (message) => socket.send(message)) };
  const workers: Thread[] = [];
  const attach = (sessionId: string, file: string): void => {
    const name = `${file
      .split("/")
      .at(-1)
      ?.replace(/\.\w+$/, "")}-${workers.length + 1}`;
    const transmit = (message: string) => void main.send("NodeWorker.sendMessageToWorker", { sessionId, message });
    workers.push({ name, send: sender(sessionId, transmit) });
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data)) as Message;
    const { method, params } = message;
    if (method === "NodeWorker.attachedToWorker") attach(params?.sessionId ?? "", params?.workerInfo?.url ?? "");
    else if (method === "NodeWorker.receivedMessageFromWorker")
      settle(params?.sessionId ?? "", JSON.parse(params?.message ?? "") as Message);
    else if (message.id !== undefined) settle("", message);
  };
  await main.send("NodeWorker.enable", { waitForDebuggerOnStart: false });
  return { threads: [main, ...workers], close: () => socket.close() };
}

const oldSpaceBytes = `process.getBuiltinModule("node:v8").getHeapSpaceStatistics()
  .find(({ space_name }) => space_name === "old_space").space_used_size`;

/** Bytes of garbage that collections of the young generation have left in the old one; fewer if all garbage was collected meanwhile. */
export async function watchOldGarbage({ send }: Thread, run: () => Promise<void>): Promise<number> {
  const oldBytes = async (): Promise<number> => {
    const { result } = await send<{ result: { value: number } }>("Runtime.evaluate", { expression: oldSpaceBytes });
    return result.value;
  };
  await send("HeapProfiler.collectGarbage");
  await run();
  const bytes = await oldBytes();
  await send("HeapProfiler.collectGarbage");
  return bytes - (await oldBytes());
}

/** Allocations cost the program that makes them some time: they are watched by themselves. */
export async function watchCpu(threads: readonly Thread[], intervalMicros: number, run: () => Promise<void>) {
  for (const { send } of threads) {
    await send("Profiler.enable");
    await send("Profiler.setSamplingInterval", { interval: intervalMicros });
  }
  await Promise.all(threads.map(({ send }) => send("Profiler.start")));
  await run();
  const stopped = threads.map(async ({ name, send }) => {
    const { profile } = await send<{ profile: CpuProfile }>("Profiler.stop");
    return { thread: name, profile };
  });
  return Promise.all(stopped);
}

/** Also of what is collected before the end: what costs is that it was made. */
export async function watchAllocations(threads: readonly Thread[], run: () => Promise<void>) {
  const options = { samplingInterval: 32_768, includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true };
  await Promise.all(threads.map(({ send }) => send("HeapProfiler.startSampling", options)));
  await run();
  const stopped = threads.map(async ({ name, send }) => {
    const { profile } = await send<{ profile: AllocationProfile }>("HeapProfiler.stopSampling");
    return { thread: name, profile };
  });
  return Promise.all(stopped);
}
