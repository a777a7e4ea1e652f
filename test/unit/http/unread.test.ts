import type { Socket } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { endUnread } from "../../../src/http/unread.ts";
import type { Bound } from "../../../src/rpc/refusals.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const waiting = (writableLength: number) => ({ writableLength, destroy: vi.fn() });

test("beyond the bound those are ended with whom most waits, until it is little enough", () => {
  const refused: Bound[] = [];
  const [little, much, most] = [waiting(10), waiting(60), waiting(70)];
  const stop = endUnread(new Set([little, much, most] as unknown as Socket[]), 100, (bound) => refused.push(bound), 1);
  vi.advanceTimersByTime(1);
  stop();
  expect([little, much, most].map(({ destroy }) => destroy.mock.calls.length)).toEqual([0, 0, 1]);
  expect(refused).toMatchObject([{ kind: "answer-byte", of: "process", limit: 100 }]);
});

test("within it nobody is", () => {
  const sockets = [waiting(50), waiting(50)];
  const stop = endUnread(new Set(sockets as unknown as Socket[]), 100, () => undefined, 1);
  vi.advanceTimersByTime(5);
  stop();
  expect(sockets.map(({ destroy }) => destroy.mock.calls.length)).toEqual([0, 0]);
});
