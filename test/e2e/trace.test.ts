import { join } from "node:path";
import { expect, test } from "vitest";
import { mergeTraces } from "../../scripts/verify/traces/merge.ts";
import { inOrder, readTrace } from "../../scripts/verify/traces/server.ts";
import { connect } from "../../src/cli/client.ts";
import { Outcome } from "../../src/gen/concord/commit/v1/transaction.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { startServer, temporaryFolder } from "../support/concord.ts";
import { participate, serve } from "../support/process.ts";

test("--trace: each process appends what it does, and together it is the trace of a transaction", async () => {
  const folder = temporaryFolder();
  const traceOf = (name: string): string => join(folder.path, `${name}.jsonl`);
  const flagsOf = (name: string): readonly string[] => ["--trace", traceOf(name)];
  const server = await serve(folder.path, { flags: ["--services", "commit", ...flagsOf("server")] });
  const options = { address: server.address, dataDir: folder.path };
  const participants = await Promise.all(["a", "b"].map((name) => participate(name, { ...options, flags: flagsOf(name) })));
  const channel = openChannel(server.address);
  try {
    const payload = Buffer.from("work");
    const enlisted = ["a", "b"].map((participantId) => ({ participantId, payload }));
    const { transaction } = await connect(channel).commits.executeTransaction({ participants: enlisted });
    expect(transaction?.outcome).toBe(Outcome.COMMITTED);
    await server.logged("transaction completed");
    for (const each of [...participants, server]) expect(await each.terminate()).toBe(0);

    const { traces, leftOut } = mergeTraces(inOrder(["server", "a", "b"].flatMap((name) => readTrace(traceOf(name)))));
    expect(leftOut).toEqual(new Map());
    expect(traces.map((trace) => trace.transaction)).toEqual([transaction?.transactionId]);
    const actions = traces.flatMap(({ steps }) => steps.map(({ action }) => action));
    const twice = ["SendPrepare", "RecvPrepare", "RecvVote", "SendDecision", "RecvCommit", "RecvAck"];
    expect(actions.toSorted()).toEqual(["Begin", "ForceCommit", "AckClient", "Forget", ...twice, ...twice].sort());
    expect(actions[0]).toBe("Begin");
    expect(actions.at(-1)).toBe("Forget");
  } finally {
    channel.close();
    folder.remove();
  }
});

test("--trace to a file that cannot be written: it says so, and does not start", async () => {
  const folder = temporaryFolder();
  try {
    const path = join(folder.path, "missing", "trace.jsonl");
    await expect(startServer({ dataDir: folder.path, trace: path })).rejects.toThrow(`trace: cannot write ${path}: ENOENT`);
  } finally {
    folder.remove();
  }
});
