import { cpSync, renameSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readParticipantRecords } from "../../demo/participant-records.ts";
import { connect } from "../../src/cli/client.ts";
import { Outcome } from "../../src/gen/concord/commit/v1/transaction.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { temporaryFolder } from "../support/concord.ts";
import { participate, runConcord, type Server, serve } from "../support/process.ts";

// An older copy of the decision log is put in its place, and its epoch comes up to the one that the participants have seen. It would presume
// aborted what was committed.

const data = temporaryFolder();
afterAll(() => data.remove());

const folder = join(data.path, "coordinator");
const host = (listen: string): Promise<Server> => serve(folder, { listen, flags: ["--services", "commit"] });
const endAt = (name: string, transactionId: string) =>
  readParticipantRecords(join(data.path, `participant-${name}.sqlite`)).get(transactionId);

test("an older decision log ends no promise, and is noticed by both sides; the right one does when it is back", async () => {
  const first = await host("127.0.0.1:0");
  const { address } = first;
  expect(await first.terminate()).toBe(0);
  cpSync(folder, `${folder}.backup`, { recursive: true });

  const second = await host(address);
  const alpha = await participate("alpha", { address, dataDir: data.path, flags: ["--delay", "2s"] });
  const beta = await participate("beta", { address, dataDir: data.path });
  const channel = openChannel(address);
  const executed = connect(channel).commits.executeTransaction({
    participants: [{ participantId: "alpha" }, { participantId: "beta" }],
    prepareTimeout: { seconds: 60n, nanos: 0 },
  });
  await second.logged({ msg: "vote received", participant: "beta" });
  await beta.kill();
  const { transaction } = await executed;
  channel.close();
  const { transactionId = "" } = transaction ?? {};
  expect(transaction?.outcome).toBe(Outcome.COMMITTED);
  await alpha.logged({ msg: "decision acknowledged", transaction: transactionId });
  await second.kill();

  renameSync(folder, `${folder}.newer`);
  renameSync(`${folder}.backup`, folder);
  const restored = await host(address);
  expect(await restored.logged("coordinator started")).toMatchObject({ coordinatorEpoch: 2 });
  const again = runConcord(["participant", "beta", "--address", address, "--data-dir", data.path]);
  for (const [program, remedy] of [
    [again, new RegExp(`in doubt here: 1 \\(${transactionId}\\)`)],
    [alpha, /put the newer decision log back/],
  ] as const) {
    expect(await program.logged("this participant does not believe the coordinator")).toMatchObject({
      level: "error",
      reason: expect.stringContaining("it was restored from an older copy"),
      remedy: expect.stringMatching(remedy),
    });
    expect(await program.exited).toBe(1);
  }
  for (const participant of ["alpha", "beta"]) {
    const msg = "a participant has seen a newer decision log: this one was restored from an older copy, or is another one";
    expect(await restored.logged({ msg, participant })).toMatchObject({ level: "error", coordinatorEpoch: 2 });
  }
  expect([endAt("alpha", transactionId), endAt("beta", transactionId)]).toEqual(["committed", "prepared"]);
  expect(await restored.terminate()).toBe(0);

  renameSync(folder, `${folder}.older`);
  renameSync(`${folder}.newer`, folder);
  const third = await host(address);
  const back = await participate("beta", { address, dataDir: data.path });
  await back.logged({ msg: "decision acknowledged", transaction: transactionId, decision: "committed" });
  expect(await back.terminate()).toBe(0);
  expect(endAt("beta", transactionId)).toBe("committed");
  expect(await third.terminate()).toBe(0);
});
