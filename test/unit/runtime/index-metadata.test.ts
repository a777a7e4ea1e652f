import { expect, test } from "vitest";
import { indexMetadata } from "../../../src/runtime/index-metadata.ts";

type Answer = { readonly ok: true; readonly value: boolean } | { readonly ok: false; readonly error: unknown };

/** A store that answers so, and a clock whose timer the test rings. */
function started(...answers: (Answer | Error)[]) {
  let ring: (() => unknown) | undefined;
  const logged: string[] = [];
  const log = (_fields: object, message: string) => void logged.push(message);
  const stop = indexMetadata(
    {
      indexMetadata: async () => {
        const answer = answers.shift() ?? { ok: true, value: false };
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    {
      clock: {
        setTimer: (_ms, run) => {
          ring = run;
          return () => {
            ring = undefined;
          };
        },
      },
      logger: { info: log, error: log },
    },
  );
  return { ring: async () => ring?.(), isWaiting: () => ring !== undefined, stop, logged, answers };
}

const more: Answer = { ok: true, value: true };

test("it goes on until nothing is left to do, and looks again later", async () => {
  const job = started(more, more, { ok: true, value: false }, more);
  await job.ring();
  expect([job.answers.length, job.logged, job.isWaiting()]).toEqual([1, ["indexes of metadata made"], true]);
  await job.ring();
  expect(job.answers).toEqual([]);
  await job.ring();
  expect(job.logged).toHaveLength(2);
});

test("what fails is tried again later", async () => {
  const job = started({ ok: false, error: {} }, new Error("a defect"), more);
  await job.ring();
  await job.ring();
  expect([job.logged, job.isWaiting()]).toEqual([["indexes of metadata cannot be made"], true]);
  await job.ring();
  expect(job.answers).toEqual([]);
});

test("it can be stopped", async () => {
  const job = started(more);
  job.stop();
  expect(job.isWaiting()).toBe(false);
});
