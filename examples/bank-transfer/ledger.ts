// The ledger: each transfer once, in an SQLite file. `node ledger.ts <participant id> <file> <coordinator> <log>`
// Its payload says what to write, so there is nothing else to do here.
import { createKeyValueResource, createParticipant } from "../../src/participant.ts";

const [participantId = "", path = "", coordinator = "", log = ""] = process.argv.slice(2);

const resource = await createKeyValueResource({ path });
const participant = await createParticipant({ coordinators: [coordinator], participantId, log, resource });

process.once("SIGTERM", async () => {
  await participant.close();
  await resource.close();
});
