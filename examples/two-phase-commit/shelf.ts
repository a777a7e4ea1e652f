// A shelf with ten things on it, in an SQLite file. `node shelf.ts <participant id> <coordinator> <folder>`
// Outside of this repository the import is "@concord-workflows/concord/participant".
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createParticipant, type Resource, type TransactionId, voteAbort, voteCommit } from "../../src/participant.ts";

const [participantId = "", coordinator = "", folder = ""] = process.argv.slice(2);

const db = new DatabaseSync(join(folder, `${participantId}.sqlite`));
db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS shelf (things INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS holds (tx TEXT PRIMARY KEY, things INTEGER NOT NULL);
  INSERT INTO shelf SELECT 10 WHERE NOT EXISTS (SELECT 1 FROM shelf)`);

const left = (): number =>
  Number(db.prepare("SELECT things - (SELECT coalesce(sum(things), 0) FROM holds) AS n FROM shelf").get()?.["n"]);

const shelf: Resource = {
  // Promise: hold the things for this transaction, durably. Or say why not.
  async prepare({ transactionId, payload }) {
    const wanted = Number(Buffer.from(payload).toString());
    if (wanted > left()) return voteAbort(`only ${left()} are left`);
    db.prepare("INSERT INTO holds VALUES (?, ?)").run(transactionId, wanted);
    return voteCommit;
  },
  // Keep the promise. What was kept before has no hold any more, so to do it again does nothing.
  async commit({ transactionId }) {
    db.exec("BEGIN");
    db.prepare("UPDATE shelf SET things = things - coalesce((SELECT things FROM holds WHERE tx = ?), 0)").run(transactionId);
    db.prepare("DELETE FROM holds WHERE tx = ?").run(transactionId);
    db.exec("COMMIT");
  },
  // Undo it, if there is anything to undo.
  async abort({ transactionId }) {
    db.prepare("DELETE FROM holds WHERE tx = ?").run(transactionId);
  },
  // What is promised and not decided.
  async prepared() {
    return db
      .prepare("SELECT tx FROM holds")
      .all()
      .map(({ tx }) => tx as TransactionId);
  },
};

const log = join(folder, `${participantId}-log.sqlite`);
const participant = await createParticipant({ coordinators: [coordinator], participantId, log, resource: shelf });

process.once("SIGTERM", async () => {
  await participant.close();
  db.close();
});
