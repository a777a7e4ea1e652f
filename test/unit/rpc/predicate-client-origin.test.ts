import { ClientError } from "nice-grpc";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BatchValidateTransitionsRequest } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import type { Origin } from "../../../src/kernel/origin.ts";
import type { SpanStart, Spans } from "../../../src/kernel/spans.ts";
import { openChannel } from "../../../src/rpc/clients/channel.ts";
import { createPredicateClient, predicateCalls } from "../../../src/rpc/clients/predicate-client.ts";
import { toldCalls } from "../../../src/rpc/clients/telemetry.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { startRecordingServer } from "../../support/recording-server.ts";
import { workflow } from "../../support/storage-values.ts";

let engine: Awaited<ReturnType<typeof startRecordingServer>>;
let channel: ReturnType<typeof openChannel>;

beforeAll(async () => {
  engine = await startRecordingServer();
  channel = openChannel(engine.address);
});

afterAll(async () => {
  channel.close();
  await engine.server.shutdown(0);
});

/** Numbers the spans, in the place of their ids. */
function recordingSpans() {
  const started: (SpanStart & { readonly name: string; readonly id: string; error?: string | undefined })[] = [];
  const spans: Spans = {
    start(name, about) {
      const id = String(started.length + 1).padStart(16, "0");
      const span = { ...about, name, id, error: undefined as string | undefined };
      started.push(span);
      return {
        origin: { requestId: about.parent.requestId, traceparent: traceparentOf(id) },
        run: (work) => work(),
        end: ({ error } = {}) => {
          span.error = error;
        },
      };
    },
  };
  return { started, spans };
}

const traceparentOf = (span: string): string => `00-${"a".repeat(32)}-${span}-01`;

function clientWith(spans: Spans | undefined) {
  const told = spans && toldCalls(engine.address, { spans, clientCall: undefined });
  const client = createPredicateClient({
    engine: predicateCalls(channel, told),
    timeoutMs: 20_000,
    logger: pino({ level: "silent" }),
    clock: systemClock,
    spans,
  });
  return (id: string, origin?: Origin) => {
    const check = {
      workflow: workflow(id, { state: "ACTIVE", previousState: "CREATED" }),
      lastEvent: undefined,
      targetState: "PAUSED",
      reason: "r",
      requestedBy: "ada",
      context: {},
      transaction: undefined,
      atMs: 1,
    } as const;
    return client.check(check, { signal: new AbortController().signal, origin });
  };
}

test("a check goes to the engine under the id of its call; several together under the first, each with its own", async () => {
  const ask = clientWith(undefined);
  await ask("alone", { requestId: "call-1", traceparent: traceparentOf("b".repeat(16)), tracestate: "x=1" });
  await Promise.all([ask("a", { requestId: "call-2" }), ask("b"), ask("c", { requestId: "call-3" })]);
  const [alone, together] = engine.calls.map(({ request, context }) => ({
    headers: ["x-request-id", "traceparent", "tracestate"].map((key) => context.metadata.get(key)),
    callIds: (request as BatchValidateTransitionsRequest).callIds,
  }));
  expect(alone).toEqual({ headers: ["call-1", traceparentOf("b".repeat(16)), "x=1"], callIds: ["call-1"] });
  expect(together).toEqual({ headers: ["call-2", undefined, undefined], callIds: ["call-2", "", "call-3"] });
});

test("each caller's trace has its check; the call of all is in the first's, and names the others'", async () => {
  const { started, spans } = recordingSpans();
  const ask = clientWith(spans);
  await Promise.all(["a", "b", "c"].map((id) => ask(id, { requestId: id, traceparent: traceparentOf(id.repeat(16)) })));
  expect(started).toMatchObject([
    { name: "CheckRules", parent: { requestId: "a" }, error: "unavailable" },
    { name: "CheckRules", parent: { requestId: "b" }, error: "unavailable" },
    { name: "CheckRules", parent: { requestId: "c" }, error: "unavailable" },
    {
      name: "concord.predicate.v1.PredicateLogic/BatchValidateTransitions",
      kind: "client",
      parent: { requestId: "a", traceparent: traceparentOf(started[0]?.id ?? "") },
      links: [{ requestId: "b" }, { requestId: "c" }],
      error: "FAILED_PRECONDITION",
    },
  ]);
  expect(engine.calls.at(-1)?.context.metadata.get("traceparent")).toBe(traceparentOf(started[3]?.id ?? ""));
});

test("a call that nobody has asked for is no part of a trace, and is counted", async () => {
  const { started, spans } = recordingSpans();
  const ended: string[] = [];
  const clientCall = (address: string) => (method: string, code: string) => void ended.push(`${address} ${method} ${code}`);
  const calls = predicateCalls(channel, toldCalls("engine:1", { spans, clientCall }));
  await expect(calls.listAllowedTransitions({})).rejects.toBeInstanceOf(ClientError);
  expect(started).toEqual([]);
  expect(ended).toEqual(["engine:1 concord.predicate.v1.PredicateLogic/ListAllowedTransitions FAILED_PRECONDITION"]);
});
