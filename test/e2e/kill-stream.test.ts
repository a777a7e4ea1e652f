import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { disagreements } from "../../scripts/kill-stream/compare.ts";
import { newTransaction } from "../../src/commit/core/coordinator.ts";
import type { Transaction } from "../../src/commit/core/types.ts";
import type { ParticipantId, RequestId, TransactionId } from "../../src/kernel/ids.ts";

const program = join(import.meta.dirname, "../../scripts/kill-stream.ts");

test.each([
  ["", []],
  [" over mutual TLS", ["--tls"]],
])(
  "a stream of transactions%s over processes that are killed in turn: all agree, and nothing stays in doubt",
  async (_, flags) => {
    const stream = spawn(process.execPath, [program, "--seconds", "8", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    const exited = once(stream, "exit");
    const said = (await Promise.all([text(stream.stdout), text(stream.stderr)])).join("");
    expect(await exited, said).toEqual([0, null]);
    expect(said).toMatch(/killed: coordinator [1-9]\d* times, p1 [1-9]\d* times, p2 [1-9]\d* times, p3 [1-9]\d* times/);
    expect(said).toContain("ok      all agree, and nothing is in doubt");
  },
);

describe("the comparison", () => {
  const [id, a, b] = ["t1" as TransactionId, "a" as ParticipantId, "b" as ParticipantId];
  const begun = newTransaction(
    {
      id,
      coordinatorEpoch: 1,
      enlistments: [a, b].map((participantId) => ({ participantId, payload: new Uint8Array() })),
      connected: new Set(),
      waitForParticipantsMs: 0,
      prepareTimeoutMs: 1_000,
      requestedBy: "",
      reason: "",
      request: { id: "r1" as RequestId, digest: "" },
    },
    1,
  );
  const committed: Transaction = {
    ...begun,
    phase: "COMPLETED",
    outcome: "committed",
    completedAtMs: 2,
    parts: begun.parts.map((part) => ({ ...part, vote: "commit", acknowledgedAtMs: 2, acknowledgedOutcome: "committed" })),
  };
  const told = [{ requestId: "r1", transactionId: id, outcome: "committed" }] as const;
  const both = (atA: string, atB: string) =>
    new Map([
      ["a", new Map([[id, atA]])],
      ["b", new Map([[id, atB]])],
    ]);

  test("finds nothing where all agree; no record means aborted", () => {
    expect(disagreements({ told, transactions: [committed], participants: both("committed", "committed") })).toEqual([]);
    const aborted = [{ requestId: "r1", transactionId: id, outcome: "aborted" }] as const;
    expect(disagreements({ told: aborted, transactions: [], participants: both("aborted", "aborted") })).toEqual([]);
  });

  test.each([
    [
      "a participant that did the other",
      { participants: both("committed", "aborted") },
      "t1: committed at the coordinator, aborted at b",
    ],
    [
      "a participant in doubt",
      { participants: both("prepared", "committed") },
      "t1: committed at the coordinator, prepared at a",
    ],
    [
      "a participant that forgot",
      { participants: new Map([["a", new Map([[id, "committed"]])]]) },
      "t1: it is committed, and b knows nothing of it",
    ],
    ["a coordinator that forgot", { transactions: [] }, "t1: the client of r1 was told committed, the log says aborted"],
    ["what is not over", { transactions: [{ ...committed, phase: "COMMITTING" as const }] }, "t1: it is COMMITTING, committed"],
    [
      "a request that was carried out twice",
      { transactions: [committed, { ...committed, id: "t2" as TransactionId }] },
      "t2: it is committed, and its client knows t1",
    ],
  ])("finds %s", (_, change, problem) => {
    const remains = { told, transactions: [committed], participants: both("committed", "committed"), ...change };
    expect(disagreements(remains)).toContain(problem);
  });
});
