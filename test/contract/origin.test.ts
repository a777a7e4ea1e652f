import { Metadata } from "nice-grpc";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { Outcome } from "../../src/gen/concord/commit/v1/transaction.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import type { Origin } from "../../src/kernel/origin.ts";
import { createParticipant, type PrepareWork, type Resource, voteCommit } from "../../src/participant.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type ProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { until } from "../support/until.ts";

// Whose call it was: one request id, and one trace, from the caller to whatever its call causes, in every process.

type Line = { readonly msg: string; readonly request?: string; readonly trace?: string; readonly rpc?: string };

const data = temporaryFolder();
const lines: Line[] = [];
const logger = pino({ level: "debug", base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
let server: TestServer;
let client: ProtoClient;
const closers: (() => Promise<void> | void)[] = [];

const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const traceparent = `00-${trace}-00f067aa0ba902b7-01`;
const by = { reason: "a test", requestedBy: "ada" };

beforeAll(async () => {
  server = await startServer({ dataDir: data.path }, logger);
  client = createProtoClient(server.address);
});

afterAll(async () => {
  for (const close of closers) await close();
  client.close();
  await server.stop();
  data.remove();
});

/** The clients of somebody who says whose calls they are. */
function onBehalfOf(origin: Origin) {
  const channel = openChannel(server.address);
  closers.push(() => channel.close());
  return connect(channel, {}, origin);
}

const linesOf = (request: string) => lines.filter((line) => line.request === request);

test("an atomic transition has one request id and one trace, at the manager, the engine, the coordinator and its participants", async () => {
  const works: PrepareWork[] = [];
  const ended: Origin[] = [];
  const resource: Resource = {
    prepare: async (work) => {
      works.push(work);
      return voteCommit;
    },
    commit: async ({ origin }) => {
      if (origin) ended.push(origin);
    },
    abort: async () => {},
  };
  const own: Line[] = [];
  const participant = await createParticipant({
    coordinators: [server.address],
    participantId: "stock",
    log: `${data.path}/stock.sqlite`,
    resource,
    logger: pino({ level: "debug" }, { write: (line: string) => void own.push(JSON.parse(line)) }),
  });
  closers.push(() => participant.close());
  const scripted = await joinAs(client, "tubes");
  await until(() => participant.connected, "the participant is connected");
  const { workflows } = onBehalfOf({ requestId: "call-1", traceparent, tracestate: "vendor=1" });
  await workflows.createWorkflow({ workflowId: "w-1" });
  const enlist = ["stock", "tubes"].map((participantId) => ({ participantId, payload: Buffer.from("2") }));
  const moved = workflows.transitionWorkflow({ workflowId: "w-1", targetState: WorkflowState.ACTIVE, enlist, ...by });
  const prepare = await scripted.expect("prepare");
  const told = { request_id: "call-1", traceparent, tracestate: "vendor=1" };
  expect(prepare.origin).toEqual(told);
  scripted.vote(prepare.transaction_id, "VOTE_VALUE_COMMIT");
  const decision = await scripted.expect("decision");
  expect(decision.origin).toEqual(told);
  scripted.ack(decision.transaction_id, decision.outcome);
  await moved;
  const origin = { requestId: "call-1", traceparent, tracestate: "vendor=1" };
  expect(works).toEqual([expect.objectContaining({ origin })]);
  await until(() => ended.length === 1, "the participant has committed");
  expect(ended).toEqual([origin]);
  await until(() => linesOf("call-1").some(({ msg }) => msg === "transaction completed"), "the transaction is over");
  const said = (where: readonly Line[]) =>
    new Set(where.filter((line) => line.request === "call-1").map((line) => line.rpc ?? line.msg));
  for (const what of [
    "/concord.workflow.v1.WorkflowService/TransitionWorkflow",
    "/concord.predicate.v1.PredicateLogic/BatchValidateTransitions",
    "/concord.commit.v1.TwoPhaseCommit/ExecuteTransaction",
    "transition applied",
    "transaction begun",
    "transaction decided",
    "transaction completed",
    // The manager's own part.
    "prepare received",
    "vote sent",
    "decision acknowledged",
  ])
    expect(said(lines)).toContain(what);
  expect([...said(own)]).toEqual([
    "prepare received",
    "resource prepared",
    "vote sent",
    "decision received",
    "committing",
    "decision acknowledged",
  ]);
  expect([...linesOf("call-1"), ...own.filter(({ request }) => request === "call-1")].every((line) => line.trace === trace)).toBe(
    true,
  );
  // Whatever was said of the transaction was said with whose it is.
  expect(lines.filter((line) => JSON.stringify(line).includes(decision.transaction_id) && line.request !== "call-1")).toEqual([]);
});

test("checks that go together are told apart by the ids of their calls", async () => {
  const { predicates } = server.clients;
  await predicates.createRule({ ruleId: "broken", expression: "workflow.metadata.missing == 1", ...by });
  await predicates.activateRule({ ruleId: "broken", version: 1, ...by });
  const ids = ["batch-a", "batch-b", "batch-c"];
  for (const workflowId of ids) await server.clients.workflows.createWorkflow({ workflowId });
  await Promise.allSettled(
    ids.map((id) =>
      onBehalfOf({ requestId: id }).workflows.transitionWorkflow({ workflowId: id, targetState: WorkflowState.ACTIVE, ...by }),
    ),
  );
  await predicates.deactivateRule({ ruleId: "broken", ...by });
  const failed = lines.find(({ msg }) => msg === "rule failed, and denies");
  expect(ids).toContain(failed?.request);
  expect(ids.map((id) => linesOf(id).some(({ msg }) => msg === "transition refused"))).toEqual([true, true, true]);
});

test("a transaction keeps the origin that has begun it, whatever verbs are done or refused; a verb has its own lines", async () => {
  const scripted = await joinAs(client, "verbs");
  const { transaction } = await onBehalfOf({ requestId: "began", traceparent }).commits.beginTransaction({
    waitForParticipants: { seconds: 60n, nanos: 0 },
    ...by,
  });
  const transactionId = transaction?.transactionId ?? "";
  const asked = { transactionId, ...by };
  await onBehalfOf({ requestId: "enlists" }).commits.enlistParticipant({ ...asked, participant: { participantId: "verbs" } });
  await onBehalfOf({ requestId: "enlists-2" }).commits.enlistParticipant({ ...asked, participant: { participantId: "sure" } });
  const other = await joinAs(client, "sure");
  const committed = onBehalfOf({ requestId: "commits" }).commits.commitTransaction(asked);
  const told = { request_id: "began", traceparent, tracestate: "" };
  for (const each of [scripted, other]) {
    expect((await each.expect("prepare")).origin).toEqual(told);
    each.vote(transactionId, "VOTE_VALUE_COMMIT");
  }
  for (const each of [scripted, other]) expect((await each.expect("decision")).origin).toEqual(told);
  await committed;
  const aborted = onBehalfOf({ requestId: "aborts-late" }).commits.abortTransaction(asked);
  expect((await failureOf(aborted)).reason).toBe("TRANSACTION_STATE");
  const resolved = onBehalfOf({ requestId: "resolves-wrong" }).commits.resolveTransaction({ ...asked, outcome: Outcome.ABORTED });
  expect((await failureOf(resolved)).reason).toBe("TRANSACTION_STATE");
  for (const each of [scripted, other]) each.ack(transactionId, "OUTCOME_COMMITTED");
  await until(() => linesOf("began").some(({ msg }) => msg === "transaction completed"), "the transaction is over");
  const said = (request: string) => [...new Set(linesOf(request).map(({ msg }) => msg))];
  expect(said("began")).toEqual(
    expect.arrayContaining(["transaction begun", "vote received", "transaction decided", "decision acknowledged"]),
  );
  for (const done of ["enlists", "enlists-2", "commits"]) expect(said(done)).toEqual(["asked for", "call"]);
  for (const refused of ["aborts-late", "resolves-wrong"]) expect(said(refused)).toEqual(["asked for", "call refused"]);
  for (const each of [scripted, other]) each.leave();
});

test("what an operator has aborted goes out with the origin of the transaction, not of the operator", async () => {
  const asked = await joinAs(client, "asked");
  const silent = await joinAs(client, "silent");
  const { transaction } = await onBehalfOf({ requestId: "began-2" }).commits.beginTransaction({
    waitForParticipants: { seconds: 60n, nanos: 0 },
    ...by,
  });
  const transactionId = transaction?.transactionId ?? "";
  const { commits } = onBehalfOf({ requestId: "enlists-both" });
  for (const participantId of ["asked", "silent"])
    await commits.enlistParticipant({ transactionId, participant: { participantId }, ...by });
  const committed = commits.commitTransaction({ transactionId, ...by });
  await asked.expect("prepare");
  await onBehalfOf({ requestId: "aborts" }).commits.abortTransaction({ transactionId, ...by });
  expect((await asked.expect("decision")).origin).toEqual({ request_id: "began-2", traceparent: "", tracestate: "" });
  expect(linesOf("began-2").map(({ msg }) => msg)).toContain("transaction decided");
  await committed;
  for (const each of [asked, silent]) each.leave();
});

describe("what a caller says of itself is checked, and never refused:", () => {
  /** The line of a call with this `traceparent`. */
  const ask = async (traceparent: string) => {
    const requestId = `asks-${lines.length}`;
    const { workflows } = onBehalfOf({ requestId });
    const asked = workflows.getWorkflow({ workflowId: "none" }, { metadata: Metadata({ traceparent }) });
    expect((await failureOf(asked)).reason).toBe("WORKFLOW_NOT_FOUND");
    return linesOf(requestId).find(({ msg }) => msg === "call refused");
  };

  test.each([
    ["a trace", traceparent, trace],
    ["a later version, with more", `cc-${trace}-00f067aa0ba902b7-01-what`, trace],
    ["no span", `00-${trace}-0000000000000000-01`, undefined],
    ["no trace", `00-${"0".repeat(32)}-00f067aa0ba902b7-01`, undefined],
    ["version ff", `ff-${trace}-00f067aa0ba902b7-01`, undefined],
    ["version 00, with more", `${traceparent}-what`, undefined],
    ["capitals", traceparent.toUpperCase(), undefined],
    ["no traceparent at all", "x", undefined],
  ])("%s", async (_, sent, known) => {
    const line = await ask(sent);
    expect(line).toBeDefined();
    expect(line?.trace).toBe(known);
  });
});
