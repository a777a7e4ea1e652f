import { pino } from "pino";
import { expect, test } from "vitest";
import type { TransactionId } from "../../../src/kernel/ids.ts";
import { tellTransaction } from "../../../src/rpc/transaction-header.ts";
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
