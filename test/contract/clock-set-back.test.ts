import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { afterAll, expect, test } from "vitest";
import { openSqliteDecisionLog } from "../../src/storage/sqlite/decision-log.ts";
import { startServer, temporaryFolder } from "../support/concord.ts";
import { committing } from "../support/decision-log-rows.ts";

const data = temporaryFolder();
afterAll(data.remove);

test("what is begun after the clock was set back is listed first all the same", async () => {
  const old = uuidv7({ msecs: Date.now() + 3_600_000 });
  const opened = await openSqliteDecisionLog({ path: join(data.path, "commit.sqlite") });
  if (!opened.ok) throw new Error(opened.error.message);
  await opened.value.claim("c");
  await opened.value.force(committing(old));
  await opened.value.close();

  const server = await startServer({ dataDir: data.path, services: "commit" });
  try {
    const { commits } = server.clients;
    const begun: (string | undefined)[] = [];
    for (let count = 0; count < 3; count += 1) begun.unshift((await commits.beginTransaction({})).transaction?.transactionId);
    const listed = (await commits.listTransactions({ pageSize: 4 })).transactions.map(({ transactionId }) => transactionId);
    expect(listed).toEqual([...begun, old]);
  } finally {
    await server.stop();
  }
});
