/**
 * A participant with PostgreSQL, run by the tests with node: `postgres-resource-child.ts <coordinator> <url> <log> <state>`. It kills itself
 * when its log is about to write a record of this state, which is after PostgreSQL has done it. It prints the state before.
 */
import { writeSync } from "node:fs";
import { createParticipant, createPostgresResource, type ParticipantLog } from "../../src/participant.ts";
import { openSqliteParticipantLog } from "../../src/storage/sqlite/participant-log.ts";

const [coordinator = "", url = "", path = "", fatal = ""] = process.argv.slice(2);

const opened = await openSqliteParticipantLog({ path });
if (!opened.ok) throw new Error(opened.error.message);
const log: ParticipantLog = {
  ...opened.value,
  async persist(record) {
    if (record.state === fatal) {
      writeSync(1, `${fatal} ${record.transactionId}\n`);
      process.kill(process.pid, "SIGKILL");
      // It ends before anything else happens.
      await new Promise(() => {});
    }
    await opened.value.persist(record);
  },
};

const participantId = "bank";
const resource = await createPostgresResource({
  participantId,
  connection: { connectionString: url },
  work: async (client, payload) => {
    await client.query("UPDATE accounts SET balance = balance + $1 WHERE id = 'ada'", [Buffer.from(payload).toString()]);
  },
});
await createParticipant({ coordinators: [coordinator], participantId, log, resource });
