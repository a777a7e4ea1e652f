// The ledger: each transfer once, in an SQLite file. `node ledger.ts <participant id> <file> <coordinator> <log> [<certificates>]`
// Its payload says what to write, so there is nothing else to do here.
import { createKeyValueResource, createParticipant } from "../../src/participant.ts";
import { tlsIn } from "./certificates.ts";

const [participantId = "", path = "", coordinator = "", log = "", certificates] = process.argv.slice(2);

const resource = await createKeyValueResource({ path });
const tls = tlsIn(certificates, participantId);
const participant = await createParticipant({ coordinators: [coordinator], participantId, log, resource, ...(tls && { tls }) });

process.once("SIGTERM", async () => {
  await participant.close();
  await resource.close();
});
