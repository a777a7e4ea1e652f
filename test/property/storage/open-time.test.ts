import fc from "fast-check";
import { expect, test } from "vitest";
import { ageOf, keptBeforeMs, opened, passed, type Span, withoutOlder } from "../../../src/storage/sqlite/open-time.ts";

// SEED=n npx vitest run --project property.
const runs = { numRuns: 2_000 };

const [minuteMs, hourMs, dayMs] = [60_000, 3_600_000, 24 * 3_600_000];
const retentionMs = 25 * hourMs;

const passing = fc.record({ type: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 12 * hourMs }) });
const closing = fc.record({ type: fc.constant("closed" as const), ms: fc.integer({ min: 1, max: 9 * dayMs }) });
const setting = fc.record({
  type: fc.constant("set" as const),
  ms: fc.oneof(fc.integer({ min: -9 * dayMs, max: 9 * dayMs }), fc.integer({ min: -minuteMs, max: minuteMs })),
});

type Step = { readonly type: "pass" | "closed" | "set"; readonly ms: number };

/** What is stored before and after each step, with its stamp and the true open time. */
function live(steps: readonly Step[], look: (spans: readonly Span[], stored: readonly Stored[], openMs: number) => void): void {
  let wallMs = 1_800_000_000_000;
  let openMs = 0;
  let spans = opened([], wallMs);
  const stored: Stored[] = [];
  for (const { type, ms } of steps) {
    stored.push({ stampMs: wallMs, openMs });
    wallMs += ms;
    if (type === "closed") spans = opened(spans, wallMs);
    else {
      const passedMs = type === "pass" ? ms : 0;
      spans = passed(spans, { wallMs, passedMs });
      openMs += passedMs;
    }
    look(spans, stored, openMs);
  }
}

type Stored = { readonly stampMs: number; readonly openMs: number };

test("whatever the wall clock does, nothing is old before the store has been open for the time that it is kept", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(passing, closing, setting), { maxLength: 60 }), (steps) => {
      live(steps, (spans, stored, openMs) => {
        const beforeMs = keptBeforeMs(spans, retentionMs);
        for (const each of stored.filter(({ stampMs }) => stampMs < beforeMs)) {
          expect(openMs - each.openMs).toBeGreaterThanOrEqual(retentionMs - minuteMs);
        }
      });
    }),
    runs,
  );
});

test("with a clock that nobody sets, what has been kept for its time of open time is old", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(passing, closing), { maxLength: 60 }), (steps) => {
      live(steps, (spans, stored, openMs) => {
        const beforeMs = keptBeforeMs(spans, retentionMs);
        const old = stored.filter((each) => openMs - each.openMs > retentionMs + minuteMs);
        for (const { stampMs } of old) expect(stampMs).toBeLessThan(beforeMs);
      });
    }),
    runs,
  );
});

test("spans that nothing is kept long enough to need make no difference", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(passing, closing, setting), { maxLength: 60 }), (steps) => {
      live(steps, (spans) => {
        const fewer = withoutOlder(spans, retentionMs);
        expect(ageOf(fewer)).toBe(ageOf(spans));
        expect(keptBeforeMs(fewer, retentionMs)).toBe(keptBeforeMs(spans, retentionMs));
      });
    }),
    runs,
  );
});
