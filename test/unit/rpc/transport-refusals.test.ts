import { Status } from "nice-grpc";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { WorkflowServiceDefinition } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import type { TransactionId } from "../../../src/kernel/ids.ts";
import { clientFactory, openChannel } from "../../../src/rpc/clients/channel.ts";
import { tellTransaction } from "../../../src/rpc/transaction-header.ts";
import { failureOf } from "../../support/concord.ts";
import { openRawCall } from "../../support/raw-call.ts";
import type { RecordedCall } from "../../support/recording-server.ts";
import { startRecordingServer } from "../../support/recording-server.ts";
import { until } from "../../support/until.ts";

test("an answer that comes as its caller's time is over is no refusal by the transport", async () => {
  const refusals: { readonly msg: string; readonly code: string; readonly message: string }[] = [];
  const over = Promise.withResolvers<void>();
  const write = (text: string): void => {
    const line = JSON.parse(text);
    if (line.msg === "call answered by the transport") refusals.push(line);
    if (line.code === "DEADLINE_EXCEEDED") over.resolve();
  };
  const transitionWorkflow = async (context: RecordedCall["context"]) => {
    tellTransaction(context, "t" as TransactionId);
    await over.promise;
    return {};
  };
  const { address, server } = await startRecordingServer({ transitionWorkflow }, pino({ level: "debug" }, { write }));
  const path = "/concord.workflow.v1.WorkflowService/TransitionWorkflow";
  const late = openRawCall(address, path, { "grpc-timeout": "20m" });
  late.send(new Uint8Array());
  late.stream.resume().end();
  expect(await late.status).toBe("4");
  const unreadable = openRawCall(address, path, { "grpc-timeout": "soon" });
  await until(() => refusals.some(({ message }) => message.includes("grpc-timeout")), "a refusal is logged");
  await server.shutdown(0);
  late.close();
  unreadable.close();
  expect(refusals.map(({ code }) => code)).toEqual(["DEADLINE_EXCEEDED", "INTERNAL"]);
});

describe("an answer that cannot be sent is a defect, which the log is told:", () => {
  const workflow = { workflowId: "w", state: "WORKFLOW_STATE_ACTIVE" };
  test.each([
    {
      what: "it has more than 4 MiB",
      answer: { workflow: { ...workflow, metadata: { text: "x".repeat(5 * 2 ** 20) } } },
      cause: undefined,
    },
    {
      what: "it cannot be encoded",
      answer: { workflow: { ...workflow, version: 2n ** 70n } },
      cause: expect.stringContaining("int64"),
    },
  ])("$what", async ({ answer, cause }) => {
    const lines: {
      readonly level: number;
      readonly msg: string;
      readonly request: string;
      readonly err?: { readonly message: string };
    }[] = [];
    const logger = pino({ level: "warn" }, { write: (line) => void lines.push(JSON.parse(line)) });
    const { address, server } = await startRecordingServer({ getWorkflow: async () => answer }, logger);
    const channel = openChannel(address);
    const client = clientFactory.create(WorkflowServiceDefinition, channel);
    let requestId: string | undefined;
    const failure = await failureOf(
      client.getWorkflow({ workflowId: "w" }, { onTrailer: (trailer) => (requestId = trailer.get("x-request-id")) }),
    );
    expect(failure).toMatchObject({ code: Status.INTERNAL, reason: "INTERNAL" });
    expect(lines).toMatchObject([{ level: 50, msg: "call failed: a defect", request: requestId }]);
    expect(lines[0]?.err?.message).toEqual(cause);
    channel.close();
    await server.shutdown(0);
  });
});
