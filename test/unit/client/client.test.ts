import { Status } from "nice-grpc-common";
import { expect, onTestFinished, test } from "vitest";
import { type ClientOptions, ConcordError, createClient, WorkflowState } from "../../../src/client.ts";
import { type Reason, rpcError } from "../../../src/rpc/errors.ts";
import { type Fakes, startRecordingServer } from "../../support/recording-server.ts";

/** Fails with these, one call after the other, then answers with a workflow. */
function failing(...failures: readonly Parameters<typeof rpcError>[0][]) {
  let count = 0;
  return (_: unknown, request: { readonly workflowId: string }) => {
    const failure = failures[count];
    count += 1;
    if (failure !== undefined) throw rpcError(failure);
    return { workflow: { workflowId: request.workflowId, version: 2n } };
  };
}

const failure = (reason: Reason, code: Status, more: { readonly retryAfterMs?: number } = {}) => ({
  reason,
  code,
  message: `because of ${reason}`,
  ...more,
});

async function clientOf(fakes: Fakes, options: Partial<ClientOptions> = {}) {
  const { calls, address, server } = await startRecordingServer(fakes);
  const client = createClient({ address, requestedBy: "ada", ...options });
  onTestFinished(async () => {
    client.close();
    await server.shutdown(0);
  });
  return { calls, client };
}

const move = { workflowId: "wf-1", targetState: WorkflowState.ACTIVE, reason: "a test" } as const;

test("what may be repeated is, with the request id that was made for it, and who asks", async () => {
  const overloaded = failure("OVERLOADED", Status.RESOURCE_EXHAUSTED);
  const unavailable = failure("STORAGE_UNAVAILABLE", Status.UNAVAILABLE, { retryAfterMs: 1 });
  const { calls, client } = await clientOf({ transitionWorkflow: failing(overloaded, unavailable) });
  expect(await client.transition(move)).toMatchObject({ version: 2n });
  const requests = calls.map(({ request }) => request as { readonly requestId: string });
  expect(requests).toHaveLength(3);
  expect(requests[0]).toMatchObject({ ...move, requestedBy: "ada", requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  expect(new Set(requests.map(({ requestId }) => requestId)).size).toBe(1);
  await client.transition({ ...move, requestId: "mine", requestedBy: "bob" });
  expect(calls.at(-1)?.request).toMatchObject({ requestId: "mine", requestedBy: "bob" });
  await client.transition(move);
  expect(calls.at(-1)?.request).not.toMatchObject({ requestId: requests[0]?.requestId });
});

test.each([
  failure("RULE_DENIED", Status.FAILED_PRECONDITION),
  failure("INTERNAL", Status.INTERNAL),
  failure("TRANSACTION_ABORTED", Status.ABORTED, { retryAfterMs: 1 }),
])("$reason is not repeated", async (refusal) => {
  const { calls, client } = await clientOf({ transitionWorkflow: failing(refusal) });
  const { reason, message } = refusal;
  await expect(client.transition(move)).rejects.toMatchObject({ name: "ConcordError", reason, message });
  expect(calls).toHaveLength(1);
});

test("no attempt begins that could not end in time, and the last failure says what is known", async () => {
  const { calls, client } = await clientOf({
    getWorkflow: failing(failure("SHUTTING_DOWN", Status.UNAVAILABLE, { retryAfterMs: 60_000 })),
  });
  const { outcome, retry, code, retryAfterMs } = await client.get("wf-1").then(
    () => expect.unreachable(),
    (error: ConcordError) => error,
  );
  expect({ outcome, retry, code, retryAfterMs }).toEqual({
    outcome: "unknown",
    retry: "same",
    code: "UNAVAILABLE",
    retryAfterMs: 60_000,
  });
  expect(calls).toHaveLength(1);
});

test("the server is told how long an attempt may take, and another follows one that was too long", async () => {
  let count = 0;
  const { calls, client } = await clientOf({
    getWorkflow: ({ signal }) => {
      count += 1;
      if (count > 1) return { workflow: { workflowId: "wf-1" } };
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
  });
  const wholeMs = 600_000;
  const endsAtMs = Date.now() + wholeMs;
  await client.get("wf-1", { attemptMs: 300, deadline: new Date(endsAtMs) });
  expect(calls).toHaveLength(2);
  for (const { context } of calls) expect(context.deadlineMs).toBeLessThan(endsAtMs - wholeMs / 2);
});

test("all attempts of a call have one id in the logs; a caller's origin goes on", async () => {
  const { calls, client } = await clientOf({
    getWorkflow: () => {
      if (calls.length % 2 === 1) throw rpcError(failure("OVERLOADED", Status.RESOURCE_EXHAUSTED, { retryAfterMs: 1 }));
      return { workflow: { workflowId: "wf-1" } };
    },
  });
  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  await client.get("wf-1");
  await client.get("wf-1", { origin: { requestId: "mine", traceparent } });
  const told = calls.map(({ context }) => ["x-request-id", "traceparent"].map((key) => context.metadata.get(key)));
  expect(told[0]?.[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(told).toEqual([told[0], told[0], ["mine", traceparent], ["mine", traceparent]]);
});

test("who leaves is not kept, neither by a call nor by a pause", async () => {
  const leaving = new AbortController();
  const { client } = await clientOf({
    getWorkflow: () => {
      leaving.abort();
      throw rpcError(failure("OVERLOADED", Status.RESOURCE_EXHAUSTED, { retryAfterMs: 20_000 }));
    },
  });
  await expect(client.get("wf-1", { signal: leaving.signal })).rejects.toMatchObject({ name: "AbortError" });
});

test("streams that end in between are one watch, which ends with its signal", async () => {
  const starts: unknown[] = [];
  const ending = new AbortController();
  const { client } = await clientOf({
    watchWorkflowEvents: async function* (_: unknown, { start }: { readonly start: { readonly value: bigint } }) {
      starts.push(start.value);
      const next = start.value + 1n;
      if (starts.length === 2) yield { body: { $case: "progress", value: { sequence: 10n } } };
      else yield { body: { $case: "event", value: { sequence: next, version: next } } };
      if (starts.length === 2) throw rpcError(failure("SHUTTING_DOWN", Status.UNAVAILABLE));
    },
  });
  const sequences: bigint[] = [];
  for await (const { sequence } of client.watch({ afterSequence: 3n, signal: ending.signal })) {
    sequences.push(sequence);
    if (sequences.length === 2) ending.abort();
  }
  expect({ starts, sequences }).toEqual({ starts: [3n, 4n, 10n], sequences: [4n, 11n] });
});

test("a watch that no later stream could go on with says why", async () => {
  const { client } = await clientOf({
    watchWorkflowEvents: failing(failure("REVISION_COMPACTED", Status.OUT_OF_RANGE)),
  });
  await expect(client.watch({ afterSequence: 0n }).next()).rejects.toMatchObject({ reason: "REVISION_COMPACTED", retry: "anew" });
});

test("a change begins again when somebody was faster", async () => {
  const overtaken = failure("VERSION_MISMATCH", Status.ABORTED);
  let version = 0n;
  const { calls, client } = await clientOf({
    getWorkflow: () => {
      version += 1n;
      return { workflow: { workflowId: "wf-1", version } };
    },
    transitionWorkflow: failing(overtaken, overtaken),
  });
  await client.change("wf-1", () => ({ targetState: WorkflowState.ACTIVE, reason: "a test" }));
  const moves = calls.filter(({ method }) => method === "transitionWorkflow").map(({ request }) => request);
  expect(moves).toMatchObject([1n, 2n, 3n].map((expectedVersion) => ({ ...move, expectedVersion })));
  expect(new Set(moves.map((each) => (each as { readonly requestId: string }).requestId)).size).toBe(3);
});

test("a change that others are always faster than ends with its time", async () => {
  const { calls, client } = await clientOf({
    getWorkflow: failing(),
    transitionWorkflow: () => {
      throw rpcError(failure("VERSION_MISMATCH", Status.ABORTED));
    },
  });
  const change = client.change("wf-1", () => ({ targetState: WorkflowState.ACTIVE, reason: "a test" }), { deadline: 500 });
  await expect(change).rejects.toThrow(ConcordError);
  expect(calls.length).toBeGreaterThan(0);
});

test("an address that is none is told at once", () => {
  expect(() => createClient({ address: "here", requestedBy: "ada" })).toThrow(/"here" must be host:port/);
});
