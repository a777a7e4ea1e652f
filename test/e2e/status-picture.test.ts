import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { shownIn, terminalPicture } from "../support/terminal-picture.ts";
import { typed } from "../support/typed.ts";
import { until } from "../support/until.ts";

// docs/status.svg is what `concord status` prints of a server with something to do. `UPDATE_PICTURES=1 npx vitest run test/e2e/status-picture.test.ts`
// makes it of what is printed today.

const file = join(import.meta.dirname, "../../docs/status.svg");

/** Figures differ, and with them the width of columns. */
const shapeOf = (lines: readonly string[]) =>
  lines.map((line) =>
    line
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
      .replaceAll(/\d+(\.\d+)? (B|KiB|MiB|GiB|TiB)\b/g, "SIZE")
      .replaceAll(/\d+(\.\d+)? ?(ms|s)\b/g, "DURATION")
      .replaceAll(/ {2,}/g, "  ")
      .trimEnd(),
  );

test("the picture of `concord status` shows what it prints", async () => {
  const data = temporaryFolder();
  const server = await startServer({ dataDir: data.path });
  const client = createProtoClient(server.address);
  try {
    const inventory = await joinAs(client, "inventory");
    const billing = await joinAs(client, "billing");
    const participants = [{ participant_id: "inventory" }, { participant_id: "billing" }];
    const executed = client.call("TwoPhaseCommit/ExecuteTransaction", { participants });
    void inventory.agreeToAll();
    billing.vote((await billing.expect("prepare")).transaction_id, "VOTE_VALUE_COMMIT");
    await executed;
    await billing.expect("decision");
    billing.leave();
    const { out } = await until(async () => {
      const answer = await typed(["status"], { address: server.address });
      return answer.out.includes("billing is away") && answer.out.includes(" 1 unacknowledged") ? answer : undefined;
    }, "status says who is away");
    // What runs the tests may be busy.
    const printed = out
      .replaceAll(server.address, "127.0.0.1:50051")
      .replace(/^! .* is busy: .*\n.*\n/m, "")
      .trimEnd();
    if (process.env["UPDATE_PICTURES"] !== undefined) writeFileSync(file, terminalPicture("concord status", printed));
    const lines = printed.split("\n").filter((line) => line !== "");
    expect(shapeOf(shownIn(readFileSync(file, "utf8")))).toEqual(shapeOf(lines));
  } finally {
    client.close();
    await server.stop();
    data.remove();
  }
});
