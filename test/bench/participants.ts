// Some of the participants under measurement, in one process: the SDK as it is, each with its own connection and durable log. The
// resource does nothing. Says "ready" when all are connected, and how much they have sent, received and flushed when it is asked.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createParticipant } from "../../src/commit/participant/participant.ts";
import type { ParticipantId } from "../../src/kernel/ids.ts";
import { voteCommit } from "../../src/participant.ts";
import { createParticipantTransport } from "../../src/rpc/clients/participant-transport.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { openSqliteParticipantLog } from "../../src/storage/sqlite/participant-log.ts";
import { countingTransport } from "../support/counting-transport.ts";

const [address = "", folder = "", ...names] = process.argv.slice(2);
const logger = createLogger({ level: "warn", format: "json" });
let messages = 0;
let flushes = 0;

const participants = await Promise.all(
  names.map(async (name) => {
    const log = await openSqliteParticipantLog({ path: join(folder, `${name}.sqlite`) });
    if (!log.ok) throw new Error(log.error.message);
    log.value.onFlush(() => {
      flushes += 1;
    });
    const transport = createParticipantTransport({ address });
    const participant = createParticipant({
      coordinators: [
        countingTransport(transport, () => {
          messages += 1;
        }),
      ],
      participantId: name as ParticipantId,
      instanceId: randomUUID(),
      log: log.value,
      resource: { prepare: async () => voteCommit, async commit() {}, async abort() {} },
      clock: systemClock,
      random: Math.random,
      logger,
    });
    await participant.start();
    return participant;
  }),
);
while (!participants.every(({ connected }) => connected)) await pause(20);
process.on("message", () => process.send?.({ messages, flushes }));
process.once("disconnect", () => process.exit());
process.send?.("ready");
