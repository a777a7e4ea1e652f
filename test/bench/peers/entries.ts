import type { Generator } from "../load.ts";
import { openEtcd } from "./etcd.ts";
import { openNarayana } from "./narayana.ts";
import type { Missing, Peer } from "./peer.ts";
import { openPostgres } from "./postgres.ts";

/** What Concord is asked for. */
export type Call = "TransitionWorkflow" | "ExecuteTransaction";

export type Entry = {
  readonly id: string;
  readonly call: Call;
  readonly open: (folder: string, generator: Generator) => Promise<Peer | Missing>;
  /** Of Concord's rate to the peer's, by calls at once. */
  readonly targets: Readonly<Record<number, number>>;
  /** For one operation. */
  readonly does: string;
  /** What Concord does beside that. */
  readonly doesNot: string;
};

/** Of the transactions that are compared. */
export const participantCount = 2;

export const entries: readonly Entry[] = [
  {
    id: "etcd",
    call: "TransitionWorkflow",
    open: openEtcd,
    targets: { 1: 0.5, 16: 1.2, 256: 2 },
    does: "one Txn over gRPC, the same each time: a comparison of the mod revision that holds, a put of the state, a put of the event; its log synced",
    doesNot:
      "reads no workflow first, asks no rules over the network, knows no lifecycle, and no indexes of workflows and events; writes one pair of keys, not 10,000",
  },
  {
    id: "postgresql",
    call: "TransitionWorkflow",
    open: openPostgres,
    targets: {},
    does: "one prepared call of a PL/pgSQL function: SELECT of the row, two conditions, UPDATE if the version is still that, INSERT of the event; its log synced",
    doesNot:
      "asks nobody for rules (they are written into the function), checks no request; each call under way has a connection and a process",
  },
  {
    id: "narayana",
    call: "ExecuteTransaction",
    open: (folder) => openNarayana(folder, participantCount),
    targets: { 1: 5, 16: 5, 64: 5, 256: 5 },
    does: `two-phase commit over HTTP (REST-AT): begin, ${participantCount} x enlist, commit, each a call; it asks ${participantCount} participants to prepare and to commit; a synced file for each transaction`,
    doesNot:
      "its participants write nothing, while Concord's sync logs of their own; it answers when all have committed, Concord when the decision is durable",
  },
];

/** Other servers that were looked for. */
export const notCompared = [
  "dtm is not compared: its module (github.com/dtm-labs/dtm) could not be had from the Go module proxy",
  "Seata is not compared: Maven Central had no jar of its server where it was looked for (org.apache.seata:seata-server:2.5.0)",
];
