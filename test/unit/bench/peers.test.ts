import { expect, test } from "vitest";
import { compare, comparisonRow } from "../../bench/peers/comparison.ts";
import { etcdTransactionBody } from "../../bench/peers/etcd-transaction.ts";
import type { Round } from "../../bench/peers/peer.ts";
import { pgbenchRound } from "../../bench/peers/pgbench-log.ts";

const measured = (perSecond: number, { failed = 0, cpuMicros = 10 } = {}): Round => ({
  perSecond,
  p50Ms: 1,
  p99Ms: 2,
  failed,
  cpuMicros,
});
const names = { call: "TransitionWorkflow", peer: "etcd", concurrency: 16 };

test("a ratio is that of one round, not that of rates measured minutes apart", () => {
  // The machine was twice as fast in the second round, for both.
  const rounds = { concord: [50, 120, 30].map((rate) => measured(rate)), other: [100, 200, 100].map((rate) => measured(rate)) };
  const { ratio, concord } = compare({ ...names, target: undefined }, rounds);
  expect(ratio).toEqual({ min: 0.3, median: 0.5, max: 0.6 });
  expect(concord.perSecond).toEqual({ min: 30, median: 50, max: 120 });
});

test("a server that needs twice the CPU of another for each operation has half its rate by CPU", () => {
  const rounds = { concord: [measured(1, { cpuMicros: 80 })], other: [measured(1, { cpuMicros: 40 })] };
  expect(compare({ ...names, target: undefined }, rounds).byCpu).toBe(0.5);
});

test("a target is met by the median ratio, and failures of all rounds are told", () => {
  const rounds = {
    concord: [measured(120, { failed: 1 }), measured(120, { failed: 2 })],
    other: [measured(100), measured(100, { failed: 4 })],
  };
  const row = (target: number): string[] => comparisonRow(compare({ ...names, target }, rounds));
  expect(row(1.2)).toContain("≥ 1.2 met");
  expect(row(1.3)).toContain("≥ 1.3 missed");
  expect(row(1.2)).toContain("3 : 4");
});

test("of pgbench's log counts what ended between the warm-up and the end of the measurement", () => {
  const log = [
    "0 1 5000 0 100 499999",
    "0 2 7000 0 100 500000",
    "1 1 9000 0 101 499999",
    "1 2 failed 0 101 0",
    "0 3 11000 0 101 500000",
  ];
  const { perSecond, p50Ms, failed, carriedOut } = pgbenchRound(`${log.join("\n")}\n`, { beginMs: 100_500, endMs: 101_500 });
  expect({ perSecond, p50Ms, failed, carriedOut }).toEqual({ perSecond: 2, p50Ms: 9, failed: 1, carriedOut: 3 });
});

test("a transaction of etcd is encoded as etcd's own messages in Go encode it", () => {
  const bytes = (text: string): Uint8Array => Buffer.from(text);
  const body = etcdTransactionBody({ stateKey: "w", state: bytes("state"), eventKey: "e", event: bytes("event") });
  // proto.Marshal of an etcdserverpb.TxnRequest of etcd 3.7.3.
  const compare = "0a09080110021a0177300012";
  expect(Buffer.from(body).toString("hex")).toBe(`${compare}0c120a0a017712057374617465120c120a0a016512056576656e74`);
});
