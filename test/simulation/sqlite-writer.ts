import type { StatementSync } from "node:sqlite";
import { type FlushTarget, flush } from "../../src/storage/sqlite/group-commit.ts";
import type { FlushReply, FlushRequest } from "../../src/storage/sqlite/writer-messages.ts";
import type { Writer } from "../../src/storage/sqlite/writer-thread.ts";
import type { Dice } from "./random.ts";
import type { Process } from "./schedule.ts";
import type { SqliteDisk, WrittenBatch } from "./sqlite-disk.ts";
import { type DiskFaults, type FlushFault, flushFaults, fullError, ioError } from "./sqlite-faults.ts";
import type { Tally } from "./tally.ts";

export type WriterOptions = {
  readonly disk: SqliteDisk;
  readonly process: Process;
  readonly dice: Dice;
  readonly faults: () => DiskFaults;
  readonly tally: Tally;
  readonly say: (text: string) => void;
};

const slowness = 100;
const fullMsMax = 5_000;

/** What befalls a flush whose process dies meanwhile: all of it is rolled back, or all of it is durable and nobody is told. */
type Fate = FlushFault | "process dies, not durable" | undefined;

/**
 * In place of the thread: the production flush, on the simulated disk, at the end of a flush time. It fails or is cut where a disk or a
 * death can cut it: before its commit, in it, or between it and the answer.
 */
export function startSimulatedWriter({ disk, process, dice, faults, tally, say }: WriterOptions): Writer {
  let alive = true;
  let underWay: FlushRequest | undefined;
  let isUnanswered = false;

  function write(request: FlushRequest, fate: Fate): FlushReply {
    const standing: WrittenBatch[] = [];
    const target = createTarget(disk, fate, (index) => {
      const batch = batchOf(request, index);
      standing.push(batch);
      disk.applied(process, batch);
    });
    const reply = flush(target, request);
    // The last connection to go takes its transaction with it.
    disk.rollBack();
    if (target.isDurable()) disk.committed(process, standing);
    return reply;
  }

  function fateOf(): Fate {
    if (disk.isFull) return "disk full";
    return dice.chance(faults().failure) ? dice.pick(flushFaults) : undefined;
  }

  process.onKill(() => {
    const request = underWay;
    alive = false;
    underWay = undefined;
    if (request === undefined) {
      if (isUnanswered) tally.count("flushes durable, unknown to the process");
      return;
    }
    if (disk.isFull || dice.chance(0.5)) {
      tally.count("flushes torn by a death");
      write(request, "process dies, not durable");
    } else {
      tally.count("flushes durable, unknown to the process");
      write(request, undefined);
    }
  });

  function end(fate: Fate): FlushReply {
    const request = underWay as FlushRequest;
    underWay = undefined;
    isUnanswered = true;
    const reply = write(request, fate);
    tally.count(reply.type === "flushed" ? "flushes" : "failed flushes");
    if (reply.type === "flushed" && reply.outcomes.some(({ type }) => type === "conflict")) {
      tally.count(`refused batches: ${disk.path}`);
      say(`${disk.path} refuses a batch`);
    }
    if (fate === undefined) return reply;
    tally.count(`flushes: ${fate}`);
    say(`a flush: ${fate}`);
    if (fate === "disk full" && !disk.isFull) disk.fill(dice.between(0, fullMsMax));
    if (fate !== "writer dies, durable" && fate !== "writer dies, not durable") return reply;
    alive = false;
    return ended(true);
  }

  return {
    get alive() {
      return alive;
    },
    files: [],
    shortened: () => undefined,
    flush: async (request) => {
      if (!alive) return ended(false);
      return new Promise((resolve) => {
        const fate = fateOf();
        underWay = request;
        const isSlow = dice.chance(faults().slow);
        if (isSlow) tally.count("slow flushes");
        process.after(dice.between(0, faults().flushMs) * (isSlow ? slowness : 1), () => {
          const reply = end(fate);
          process.after(dice.between(0, 1), () => {
            isUnanswered = false;
            resolve(reply);
          });
        });
      });
    },
    truncateWal: async () => {},
    close: async () => {
      alive = false;
    },
  };
}

/** As the thread's end says it. */
const ended = (outcomeUnknown: boolean): FlushReply => ({
  type: "failed",
  cause: "the writer thread ended",
  outcomeUnknown,
  final: false,
});

const batchOf = ({ sql, batches }: FlushRequest, index: number): WrittenBatch =>
  (batches[index] ?? []).map(([text, params]) => ({ sql: sql[text] as string, params }));

type Target = FlushTarget & { readonly isDurable: () => boolean };

/** `onBatch` is called after each batch that is not refused. */
function createTarget(disk: SqliteDisk, fate: Fate, onBatch: (index: number) => void): Target {
  let isDurable = false;
  let batch = -1;
  let isRefused = false;
  const commit = (run: () => ReturnType<StatementSync["run"]>): ReturnType<StatementSync["run"]> => {
    if (fate === "disk full") throw fullError();
    if (fate?.endsWith("not durable")) throw ioError();
    const result = run();
    isDurable = true;
    if (fate === "commit fails, durable") throw ioError();
    return result;
  };
  return {
    path: disk.path,
    // How long the statements take is of no account here, and would differ from run to run.
    monotonicMs: () => 0,
    connect: () => {
      if (fate === "begin fails") throw ioError();
      return (sql) => {
        const statement = disk.prepare(sql);
        if (sql === "SAVEPOINT batch") {
          batch += 1;
          isRefused = false;
        }
        if (sql === "ROLLBACK TO batch") isRefused = true;
        if (sql === "RELEASE batch" && !isRefused) onBatch(batch);
        if (sql !== "COMMIT") return statement;
        return { all: statement.all.bind(statement), run: () => commit(() => statement.run()) };
      };
    },
    checkCommit: () => 0,
    disconnect: () => disk.rollBack(),
    isDurable: () => isDurable,
  };
}
