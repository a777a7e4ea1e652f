import { expect, test } from "vitest";
import { type Bound, logRefusals } from "../../../src/rpc/refusals.ts";
import type { Logger } from "../../../src/runtime/logger.ts";

test.each([
  [{ kind: "watch", service: "s", of: "process", limit: 1 }, "watches of s at once"],
  [{ kind: "call", service: "s", of: "address", limit: 1 }, "calls of s at once from one address"],
  [{ kind: "watch", service: "", of: "connection", limit: 1 }, "watches and sessions at once on one connection"],
  [{ kind: "request-byte", service: "", of: "process", limit: 1 }, "bytes of half-sent requests at once"],
  [{ kind: "answer-byte", service: "", of: "process", limit: 1 }, "bytes of unread answers at once"],
  [{ kind: "header-byte", service: "", of: "address", limit: 1 }, "bytes of headers at once from one address"],
] as [Bound, string][])("a refusal is logged with what there was too much of: %o", (bound, words) => {
  const lines: unknown[] = [];
  const logger = { warn: (...line: unknown[]) => lines.push(line) } as unknown as Logger;
  logRefusals(logger)(bound);
  expect(lines).toEqual([[{ limit: 1 }, `refused: more ${words} than there may be`]]);
});
