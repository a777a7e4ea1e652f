import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Status } from "nice-grpc";
import { describe, expect, test } from "vitest";
import { ErrorReason } from "../../../src/gen/concord/error/v1/error.ts";
import { type Advice, adviceOf } from "../../../src/rpc/advice.ts";
import type { Reason } from "../../../src/rpc/errors.ts";

const root = join(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

// docs/retries.md: | reason | code | outcome | retry |
const rows = [...read("docs/retries.md").matchAll(/^\| ([A-Z_]+) \| ([A-Z_]+) \| (.+) \| (.+) \|$/gm)].map(
  ([, reason = "", code = "", outcome = "", retry = ""]) => ({ reason, code, advice: { outcome, retry } as Advice }),
);
const reasons = Object.keys(ErrorReason).filter((name) => name !== "UNSPECIFIED" && name !== "UNRECOGNIZED") as Reason[];

test("docs/retries.md has one row for each reason of the contract, in its order", () => {
  expect(rows.map(({ reason }) => reason)).toEqual(reasons);
});

describe("docs/retries.md says of each reason what the command line and the client in TypeScript do, and its code as in error.proto:", () => {
  test.each(rows)("$reason", ({ reason, code, advice }) => {
    expect(adviceOf({ reason, code: Status.OK, retryAfterMs: undefined })).toEqual(advice);
    const proto = read("proto/concord/error/v1/error.proto");
    const [comment] = proto
      .slice(0, proto.indexOf(`ERROR_REASON_${reason} =`))
      .split("\n\n")
      .slice(-1);
    expect(comment?.trim()).toMatch(new RegExp(`^// ${code}\\b`));
  });
});

test.each([
  { code: Status.UNAVAILABLE, advice: { outcome: "unknown", retry: "same" } },
  { code: Status.DEADLINE_EXCEEDED, advice: { outcome: "unknown", retry: "same" } },
  { code: Status.CANCELLED, advice: { outcome: "unknown", retry: "same" } },
  { code: Status.RESOURCE_EXHAUSTED, advice: { outcome: "not done", retry: "no" } },
  { code: Status.UNKNOWN, advice: { outcome: "unknown", retry: "same" } },
  { code: Status.INTERNAL, advice: { outcome: "unknown", retry: "same" } },
  { code: Status.DATA_LOSS, advice: { outcome: "unknown", retry: "no" } },
])("without a reason, status $code", ({ code, advice }) => {
  expect(adviceOf({ reason: undefined, code, retryAfterMs: undefined })).toEqual(advice);
});

test("a reason that is not known yet, whatever its status", () => {
  const failure = { reason: "OF_TOMORROW", code: Status.UNAVAILABLE, retryAfterMs: undefined };
  expect(adviceOf(failure)).toEqual({ outcome: "unknown", retry: "no" });
});

test("a version that nobody expected, and that others were faster to change, is for the same request again", () => {
  const failure = { reason: "VERSION_MISMATCH", code: Status.ABORTED, retryAfterMs: 5 };
  expect(adviceOf(failure)).toEqual({ outcome: "not done", retry: "same" });
});
