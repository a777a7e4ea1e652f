import type { Clock } from "../../kernel/clock.ts";
import type { DurationMs, TimeMs } from "../../kernel/time.ts";
import { ageOf, keptBeforeMs, opened, passed, type Span, withoutOlder } from "./open-time.ts";
import type { Row, Statement } from "./statement.ts";

/** Beside the versioned schema, as every store has it. */
export const openTimesTable = `CREATE TABLE IF NOT EXISTS open_times (
  age_ms INTEGER PRIMARY KEY,
  started_at_ms INTEGER NOT NULL,
  length_ms INTEGER NOT NULL
) STRICT`;

export const selectOpenTimes = "SELECT age_ms, started_at_ms, length_ms FROM open_times ORDER BY age_ms";

/** What a killed process had not saved is not counted: what is kept is kept so much longer. */
const saveIntervalMs = 60_000;

/** Longer than anything is kept. */
const retentionMsMax = 60 * 24 * 3_600_000;

export type StoreAge = {
  /** Counts what has passed. Call it often: within one look, a clock that is set cannot be told from time that passes. */
  look(): void;
  /** It is time to save. */
  readonly isDue: boolean;
  unsaved(): Statement[];
  /** What was unsaved a moment ago is not any more. */
  saved(): void;
  keptBeforeMs(retentionMs: DurationMs): TimeMs;
};

/** Counts how long a store is open. */
export function createStoreAge(stored: readonly Row[], clock: Clock): StoreAge {
  let spans = opened(stored.map(toSpan), clock.nowMs());
  let lookedAtMs = clock.monotonicMs();
  let savedMs = ageOf(spans);

  return {
    look: () => {
      const nowMs = clock.monotonicMs();
      spans = passed(spans, { wallMs: clock.nowMs(), passedMs: Math.round(nowMs - lookedAtMs) });
      lookedAtMs = nowMs;
    },
    get isDue() {
      return ageOf(spans) - savedMs >= saveIntervalMs;
    },
    unsaved: () => {
      spans = withoutOlder(spans, retentionMsMax);
      const unsaved = spans.filter(({ ageMs, lengthMs }) => ageMs + lengthMs > savedMs);
      return [{ sql: dropOlder, params: [spans[0]?.ageMs ?? 0] }, ...unsaved.map(saveSpan)];
    },
    saved: () => {
      savedMs = ageOf(spans);
    },
    keptBeforeMs: (retentionMs) => keptBeforeMs(spans, retentionMs),
  };
}

const dropOlder = "DELETE FROM open_times WHERE age_ms < ?";

const saveSpan = ({ ageMs, startedAtMs, lengthMs }: Span): Statement => ({
  sql: "INSERT OR REPLACE INTO open_times (age_ms, started_at_ms, length_ms) VALUES (?, ?, ?)",
  params: [ageMs, startedAtMs, lengthMs],
});

const toSpan = (row: Row): Span => ({
  ageMs: Number(row["age_ms"]),
  startedAtMs: Number(row["started_at_ms"]),
  lengthMs: Number(row["length_ms"]),
});
