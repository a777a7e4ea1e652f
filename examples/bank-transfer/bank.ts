// A bank: accounts in a PostgreSQL database. `node bank.ts <participant id> <database url> <coordinator> <log> [<certificates>]`
// Outside of this repository the import is "@concord-workflows/concord/participant".
import { createParticipant, createPostgresResource, voteAbort } from "../../src/participant.ts";
import { tlsIn } from "./certificates.ts";
import type { Movement } from "./money.ts";

const [participantId = "", connectionString = "", coordinator = "", log = "", certificates] = process.argv.slice(2);

const resource = await createPostgresResource({
  participantId,
  connection: { connectionString },
  async work(client, payload) {
    const { transfer, account, amount } = JSON.parse(Buffer.from(payload).toString()) as Movement;
    const changed = await client.query("UPDATE accounts SET balance = balance + $2 WHERE id = $1 AND balance + $2 >= 0", [
      account,
      amount,
    ]);
    if (changed.rowCount === 0) return voteAbort(`${account} has not enough money, or does not exist`);
    await client.query("INSERT INTO movements (transfer, account, amount) VALUES ($1, $2, $3)", [transfer, account, amount]);
    return undefined;
  },
});

const tls = tlsIn(certificates, participantId);
const participant = await createParticipant({ coordinators: [coordinator], participantId, log, resource, ...(tls && { tls }) });

process.once("SIGTERM", async () => {
  await participant.close();
  await resource.close();
});
