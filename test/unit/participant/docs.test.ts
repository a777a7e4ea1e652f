import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { Outcome } from "../../../src/gen/concord/commit/v1/transaction.ts";
import { startServer, temporaryFolder } from "../../support/concord.ts";

const root = join(import.meta.dirname, "../../..");

test("the participant of docs/participants.md sells each seat once", async () => {
  const folder = temporaryFolder();
  const server = await startServer({ dataDir: join(folder.path, "server") });
  const page = readFileSync(join(root, "docs/participants.md"), "utf8");
  const sample = /```ts\n(\/\/ seats\.ts\n.*?)```/s.exec(page)?.[1] ?? "";
  const program = join(folder.path, "seats.ts");
  writeFileSync(join(folder.path, "package.json"), '{ "type": "module" }');
  writeFileSync(
    program,
    sample
      .replace('"@concord-workflows/concord/participant"', JSON.stringify(join(root, "src/participant.ts")))
      .replace("127.0.0.1:50051", server.address),
  );
  const child = spawn(process.execPath, [program], { cwd: folder.path, stdio: "ignore" });
  const ended = once(child, "exit");
  const sell = async (seat: string) => {
    const participants = [{ participantId: "seats", payload: Buffer.from(seat) }];
    const wait = { seconds: 20n, nanos: 0 };
    return (await server.clients.commits.executeTransaction({ participants, waitForParticipants: wait })).transaction;
  };
  try {
    expect((await sell("12A"))?.outcome).toBe(Outcome.COMMITTED);
    expect(await sell("12A")).toMatchObject({
      outcome: Outcome.ABORTED,
      abortReason: expect.stringContaining("seat 12A is taken"),
    });
    expect((await sell("12B"))?.outcome).toBe(Outcome.COMMITTED);
    child.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    const seats = new DatabaseSync(join(folder.path, "seats.sqlite"), { readOnly: true });
    expect(seats.prepare("SELECT seat, sold FROM seats").all()).toEqual([
      { seat: "12A", sold: 1 },
      { seat: "12B", sold: 1 },
    ]);
    seats.close();
  } finally {
    child.kill("SIGKILL");
    await server.stop();
    folder.remove();
  }
});
