import { AsyncLocalStorage } from "node:async_hooks";
import { type Context, type ContextManager, context, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { createParticipant, voteCommit } from "../../src/participant.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { openTelemetry } from "../../src/runtime/telemetry/open.ts";
import type { Telemetry } from "../../src/runtime/telemetry/telemetry.ts";
import { startServer, temporaryFolder } from "../support/concord.ts";
import { type OtlpReceiver, type ReceivedSpan, receiveOtlp } from "../support/otlp-receiver.ts";
import { type Program, participate, runConcord, type Server, serve } from "../support/process.ts";
import { until } from "../support/until.ts";

// What is told to a collector of OpenTelemetry, by real processes, which find it in their environment.

const data = temporaryFolder();
const callerTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const callerSpan = "00f067aa0ba902b7";
const by = { reason: "a test", requestedBy: "ada" };

afterAll(() => data.remove());

/** Runs with these variables, for the processes that it starts. */
async function withEnvironment<T>(variables: Readonly<Record<string, string>>, run: () => Promise<T>): Promise<T> {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    return await run();
  } finally {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
}

/** Has a process say which packages of OpenTelemetry it loads. */
const watched = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`
    import { registerHooks } from "node:module";
    registerHooks({
      resolve(specifier, context, next) {
        if (specifier.startsWith("@opentelemetry/")) console.log("loads", specifier);
        return next(specifier, context);
      },
    });
  `)}`,
};

test("without a collector nothing of OpenTelemetry's SDK is loaded", async () => {
  const server = await withEnvironment(watched, () => serve(`${data.path}/plain`));
  expect(await server.terminate()).toBe(0);
  // Its API is: the library for Prometheus asks for it.
  expect(server.text()).not.toMatch(/loads @opentelemetry\/(?!api\b)/);
});

/** As lines, each below its parent, in the order of their names. */
function treeOf(spans: readonly ReceivedSpan[], parent: string, depth = 0): readonly string[] {
  const children = spans.filter((span) => span.parent === parent).map((span) => ({ span, line: lineOf(span) }));
  return children
    .sort((one, other) => (one.line < other.line ? -1 : 1))
    .flatMap(({ span, line }) => [`${"  ".repeat(depth)}${line}`, ...treeOf(spans, span.id, depth + 1)]);
}

function lineOf({ name, kind, service, attributes }: ReceivedSpan): string {
  const participant = attributes["concord.participant.id"];
  const end = attributes["concord.vote"] ?? attributes["concord.outcome"] ?? attributes["rpc.response.status_code"];
  return [`${service}: ${kind} ${name}`, participant && `of ${participant}`, end && `→ ${end}`].filter(Boolean).join(" ");
}

/** The manager asks before the transaction begins, and again when it is prepared. */
const tree = [
  "concord: server concord.workflow.v1.WorkflowService/TransitionWorkflow → OK",
  "  concord: client concord.commit.v1.TwoPhaseCommit/ExecuteTransaction → OK",
  "    concord: server concord.commit.v1.TwoPhaseCommit/ExecuteTransaction → OK",
  "      concord: client Decision of concord.workflow → committed",
  "        concord: server commit of concord.workflow",
  "      concord: client Decision of stock → committed",
  "        concord-participant-stock: server commit of stock",
  "      concord: client Decision of tubes → committed",
  "        concord-participant-tubes: server commit of tubes",
  "      concord: client Prepare of concord.workflow → commit",
  "        concord: server prepare of concord.workflow → commit",
  "          concord: internal CheckRules",
  "            concord: client concord.predicate.v1.PredicateLogic/BatchValidateTransitions → OK",
  "              concord: server concord.predicate.v1.PredicateLogic/BatchValidateTransitions → OK",
  "      concord: client Prepare of stock → commit",
  "        concord-participant-stock: server prepare of stock → commit",
  "      concord: client Prepare of tubes → commit",
  "        concord-participant-tubes: server prepare of tubes → commit",
  "  concord: internal CheckRules",
  "    concord: client concord.predicate.v1.PredicateLogic/BatchValidateTransitions → OK",
  "      concord: server concord.predicate.v1.PredicateLogic/BatchValidateTransitions → OK",
];

describe("with a collector", () => {
  let collector: OtlpReceiver;
  let server: Server;
  const participants: Program[] = [];

  beforeAll(async () => {
    collector = await receiveOtlp();
    const variables = {
      ...watched,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: "20",
      OTEL_METRIC_EXPORT_INTERVAL: "100",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
    };
    await withEnvironment(variables, async () => {
      server = await serve(data.path);
      for (const id of ["stock", "tubes"])
        participants.push(await participate(id, { address: server.address, dataDir: data.path }));
    });
    const concord = (...args: readonly string[]) => runConcord([...args, "--address", server.address]);
    expect(await concord("workflow", "create", "w-1").exited).toBe(0);
    // A command of a caller who traces.
    const caller = { TRACEPARENT: `00-${callerTrace}-${callerSpan}-01`, TRACESTATE: "caller=1" };
    const move = ["workflow", "transition", "w-1", "active", "--request-id", "move-1"];
    const enlist = ["stock", "tubes"].flatMap((id) => ["--enlist", `${id}=2`]);
    expect(await withEnvironment(caller, () => concord(...move, ...enlist).exited)).toBe(0);
  });

  afterAll(async () => {
    for (const each of [...participants, server]) await each.terminate();
    await collector.close();
  });

  const ofTheCaller = () => collector.spans.filter((span) => span.trace === callerTrace);

  test("an atomic transition is one tree below its caller's span, with its participants", async () => {
    await until(() => ofTheCaller().length === tree.length, "all of it is told");
    expect(treeOf(ofTheCaller(), callerSpan)).toEqual(tree);
    expect(ofTheCaller().filter(({ failed }) => failed)).toEqual([]);
  });

  test("its libraries are loaded then", () => {
    expect(server.text()).toContain("loads @opentelemetry/sdk-trace");
  });

  test("the log lines of it name its trace, in every process", () => {
    for (const { log } of [server, ...participants]) {
      const lines = log.filter(({ request }) => request === "move-1");
      expect(lines.length).toBeGreaterThan(3);
      expect(new Set(lines.map((line) => line["trace"]))).toEqual(new Set([callerTrace]));
    }
  });

  test("calls are told as metrics, at both ends, by the stable conventions", async () => {
    const told = (name: string, method: string) =>
      collector.series.find((each) => each.name === name && each.attributes["rpc.method"] === method);
    const execute = "concord.commit.v1.TwoPhaseCommit/ExecuteTransaction";
    const transition = "concord.workflow.v1.WorkflowService/TransitionWorkflow";
    await until(
      () => told("rpc.server.call.duration", transition)?.count === 1,
      "the call that came first and ended last is told",
    );
    const attributes = { "rpc.system.name": "grpc", "rpc.method": execute, "rpc.response.status_code": "OK" };
    const [host, port] = server.address.split(":");
    expect(told("rpc.server.call.duration", execute)).toEqual({
      name: "rpc.server.call.duration",
      unit: "s",
      count: 1,
      attributes,
    });
    expect(told("rpc.client.call.duration", execute)?.attributes).toEqual({
      ...attributes,
      "server.address": host,
      "server.port": port,
    });
  });
});

describe("a collector that", () => {
  const start = async (endpoint: string) => {
    const lines: { readonly msg: string }[] = [];
    const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const variables = {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_BSP_SCHEDULE_DELAY: "5",
      OTEL_BSP_MAX_QUEUE_SIZE: "10",
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "5",
      OTEL_METRIC_EXPORT_INTERVAL: "50",
    };
    const opened = await withEnvironment(variables, () =>
      openTelemetry(process.env, { serviceName: "concord", version: "0" }, logger),
    );
    if (!opened.ok || opened.value === undefined) throw new Error("nothing is exported");
    const telemetry = opened.value;
    const complaints = () => lines.filter(({ msg }) => msg.startsWith("telemetry could not be exported"));
    return { telemetry, complaints };
  };
  const spanOf = (telemetry: Telemetry, index: number) =>
    telemetry.spans?.start("call", { kind: "server", parent: { requestId: `r-${index}` }, attributes: {} });

  test("never answers costs a bounded number of spans, and a line in the log; a stop does not wait for it", async () => {
    const collector = await receiveOtlp(() => undefined);
    const { telemetry, complaints } = await start(collector.endpoint);
    for (let index = 0; index < 1_000; index += 1) spanOf(telemetry, index)?.end();
    await until(() => collector.requests() > 0, "a batch is sent");
    for (let index = 0; index < 1_000; index += 1) spanOf(telemetry, index)?.end();
    // The batch that is under way, and those that wait.
    expect(telemetry.lostSpans()).toBeGreaterThanOrEqual(2_000 - 5 - 2 * 10);
    expect(complaints()).toHaveLength(1);
    await telemetry.close();
    await collector.close();
  });

  test("refuses costs what it has refused; what comes later is told", async () => {
    let status = 400;
    const collector = await receiveOtlp(() => status);
    const { telemetry, complaints } = await start(collector.endpoint);
    telemetry.serverCall?.("p.S/M", "OK", 1);
    spanOf(telemetry, 1)?.end();
    await until(() => telemetry.lostSpans() === 1 && telemetry.lostExports() > 0, "both are refused");
    status = 200;
    spanOf(telemetry, 2)?.end();
    await until(() => collector.spans.length === 1 && collector.series.length === 1, "both are told");
    expect(telemetry.lostSpans()).toBe(1);
    // One of each kind.
    expect(complaints()).toHaveLength(2);
    await telemetry.close();
    await collector.close();
  });
});

describe("a participant in a program that traces by itself", () => {
  const active = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => active.getStore() ?? ROOT_CONTEXT,
    with: (given, run, thisArg, ...args) => active.run(given, () => run.apply(thisArg as never, args)),
    bind: (_, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  const exporter = new InMemorySpanExporter();

  beforeAll(() => {
    context.setGlobalContextManager(manager);
    trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  });

  afterAll(() => {
    trace.disable();
    context.disable();
  });

  test("goes on where the Prepare is in its caller's trace, and what the program traces meanwhile is below it", async () => {
    const server = await startServer({ dataDir: `${data.path}/own` });
    const tracer = trace.getTracer("the program");
    const work = async () => void tracer.startSpan("the work").end();
    const participant = await createParticipant({
      coordinators: [server.address],
      participantId: "seats",
      log: `${data.path}/seats.sqlite`,
      resource: { prepare: async () => work().then(() => voteCommit), commit: work, abort: work },
      logger: pino({ level: "silent" }),
    });
    const channel = openChannel(server.address);
    await until(() => participant.connected, "the participant is connected");
    const traceparent = `00-${callerTrace}-${callerSpan}-01`;
    const { workflows } = connect(channel, {}, { requestId: "r", traceparent });
    await workflows.createWorkflow({ workflowId: "w-1" });
    const enlist = [{ participantId: "seats", payload: Buffer.from("4A") }];
    await workflows.transitionWorkflow({ workflowId: "w-1", targetState: WorkflowState.ACTIVE, enlist, ...by });
    await until(() => exporter.getFinishedSpans().length === 4, "both parts are done");
    const spans = exporter.getFinishedSpans().map((span) => ({
      name: span.name,
      trace: span.spanContext().traceId,
      parent: exporter.getFinishedSpans().find((each) => each.spanContext().spanId === span.parentSpanContext?.spanId)?.name,
    }));
    expect(spans).toEqual([
      { name: "the work", trace: callerTrace, parent: "prepare" },
      { name: "prepare", trace: callerTrace, parent: undefined },
      { name: "the work", trace: callerTrace, parent: "commit" },
      { name: "commit", trace: callerTrace, parent: undefined },
    ]);
    channel.close();
    await participant.close();
    await server.stop();
  });
});
