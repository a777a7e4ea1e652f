// Concord as `make bench` measures it.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Generator } from "../load.ts";
import { measure } from "../measure.ts";
import { executeWith, transition } from "../operations.ts";
import { prepare } from "../prepare.ts";
import { operationNamed } from "../rounds.ts";
import { succeededPerSecond } from "../row.ts";
import { startServer } from "../server-process.ts";
import { total } from "../statistics.ts";
import { startParticipants } from "../transactions.ts";
import { type Call, participantCount } from "./entries.ts";
import type { Subject } from "./peer.ts";

export type Concord = { readonly calls: Readonly<Record<Call, Subject>>; readonly stop: () => Promise<void> };

export async function openConcord(folder: string, generator: Generator): Promise<Concord> {
  const own = join(folder, "concord");
  mkdirSync(own);
  const server = await startServer(own, "info");
  await prepare(server.port);
  const participants = await startParticipants(server, own);
  const call = (name: string): Subject => ({
    run: async ({ concurrency, ...span }) => {
      const round = await measure({ generator, server, participants }, operationNamed(name), concurrency, {
        type: "time",
        ...span,
      });
      return {
        ...round,
        perSecond: succeededPerSecond(round),
        failed: total(round.failures),
        cpuMicros: total(round.eachCpuMicros),
      };
    },
  });
  return {
    calls: { TransitionWorkflow: call(transition), ExecuteTransaction: call(executeWith(participantCount)) },
    stop: async () => {
      participants.stop();
      await server.stop();
    },
  };
}
