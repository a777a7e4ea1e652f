import type { DeadLetter, SinkRecord, SinkStore } from "../../events/ports.ts";
import type { RequestId } from "../../kernel/ids.ts";
import { compare } from "../../kernel/range.ts";
import { err, ok } from "../../kernel/result.ts";
import { stretchOf } from "../../kernel/stretch.ts";
import type { TimeMs } from "../../kernel/time.ts";

type Answer = { readonly digest: string; readonly answer: string; readonly atMs: TimeMs };

const isSame = (a: DeadLetter, b: DeadLetter): boolean => a.sink === b.sink && a.event.sequence === b.event.sequence;

/** For tests. */
export function createMemorySinkStore(nowMs: () => TimeMs = Date.now): SinkStore {
  const sinks = new Map<string, SinkRecord>();
  let letters: DeadLetter[] = [];
  const answers = new Map<RequestId, Answer>();
  const isOf =
    (name: string) =>
    ({ sink }: DeadLetter): boolean =>
      sink === name;
  return {
    writable: true,
    onWritableChange: () => () => {},
    keptBeforeMs: (retentionMs) => nowMs() - retentionMs,
    sinks: async () => [...sinks.values()].sort((a, b) => compare(a.name, b.name)),
    async deadLetters({ sink, afterSequence, limit }) {
      const found = letters.filter(isOf(sink)).filter(({ event }) => event.sequence > afterSequence);
      found.sort((a, b) => a.event.sequence - b.event.sequence);
      return stretchOf(found.slice(0, limit), limit, ({ event }) => event.sequence);
    },
    deadLetterCount: async (sink) => letters.filter(isOf(sink)).length,
    answer: async (requestId) => answers.get(requestId),
    async apply({ puts = [], deadLetters = [], retried, dropped, request }) {
      if (request !== undefined) {
        if (answers.has(request.id)) return err({ type: "conflict", conflict: { type: "request-exists" } });
        answers.set(request.id, request);
      }
      for (const put of puts) sinks.set(put.name, put);
      for (const letter of deadLetters) {
        letters = letters.filter((each) => !isSame(each, letter));
        letters.push(letter);
      }
      if (retried !== undefined) letters = letters.map((letter) => (isSame(letter, retried) ? retried : letter));
      letters = letters.filter(({ sink, event }) => sink !== dropped?.sink || !dropped.sequences.includes(event.sequence));
      return ok(undefined);
    },
    async purge({ olderThanMs, limit }) {
      const old = [...answers].filter(([, { atMs }]) => atMs < olderThanMs).slice(0, limit);
      for (const [id] of old) answers.delete(id);
      return ok(old.length);
    },
    close: async () => undefined,
  };
}
