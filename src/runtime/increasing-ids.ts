import { randomFillSync } from "node:crypto";
import { v7 as uuidv7, validate, version } from "uuid";
import type { TimeMs } from "../kernel/time.ts";

/**
 * Makes UUIDv7s, each greater than all before it, also if the wall clock was set back, and across restarts: lists of transactions have the
 * newest first, by id. `newest`: of those before, if there is one; another kind of id tells nothing.
 */
export function createIncreasingIds(nowMs: () => TimeMs, newest: string | undefined): () => string {
  const nextRandom = randomBytes();
  let msecs = newest === undefined ? 0 : timeOf(newest);
  let seq = seqMax;
  return () => {
    const now = nowMs();
    const random = nextRandom();
    if (now > msecs || seq === seqMax) {
      msecs = Math.max(now, msecs + 1);
      seq = random.readUInt32LE() % (seqMax / 2);
    } else seq += 1;
    return uuidv7({ msecs, seq, random });
  };
}

/** To ask the system takes as long as all the rest of an id, however much is asked for: so it is asked for many at once. */
function randomBytes(): () => Buffer {
  const pool = Buffer.alloc(poolIdCount * idBytes);
  let at = pool.length;
  return () => {
    if (at === pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    at += idBytes;
    return pool.subarray(at - idBytes, at);
  };
}

const poolIdCount = 256;
const idBytes = 16;

/** RFC 9562, section 6.2, method 1. */
const seqMax = 2 ** 31;

/** RFC 9562, section 5.7: the first 48 bits. */
const timeOf = (id: string): TimeMs =>
  validate(id) && version(id) === 7 ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : 0;
