import { ClientError, Status } from "nice-grpc";
import { BadRequest, ErrorInfo, PreconditionFailure, RetryInfo, RichClientError } from "nice-grpc-error-details";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CommandError, reportFailure, UsageError } from "../../../src/cli/failure.ts";
import { enumText, fieldLines, jsonText, print, tableLines, timeText } from "../../../src/cli/output.ts";
import { WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { GetWorkflowResponse } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { printable } from "../../../src/kernel/text.ts";

const hostile = "\u001b[2J\u001b]0;owned\u0007 a\r\nerror: b\t\u007f\u009b31m \u202eevil\u2066 \u2028 \ud800 😀";
const shown = "\\u001b[2J\\u001b]0;owned\\u0007 a\\r\\nerror: b\\t\\u007f\\u009b31m \\u202eevil\\u2066 \\u2028 \\ud800 😀";

describe("output", () => {
  test("a table has no lines and no spaces at the ends", () => {
    const lines = tableLines(
      ["id", "state"],
      [
        ["wf-1", "ACTIVE"],
        ["a-longer-id", "-"],
      ],
    );
    expect(lines).toEqual(["ID           STATE", "wf-1         ACTIVE", "a-longer-id  -"]);
  });

  test("columns stand under each other whatever is in them: wide characters, marks, emoji", () => {
    const cells = ["温度", "cafe\u0301", "👩‍🔬👍🏽", "ﾃﾞｰﾀ", "각", "🇨🇭"];
    const lines = tableLines(
      ["a", "b"],
      cells.map((cell) => [cell, "|"]),
    );
    expect(lines).toEqual(["A     B", "温度  |", "cafe\u0301  |", "👩‍🔬👍🏽  |", "ﾃﾞｰﾀ  |", "각    |", "🇨🇭    |"]);
  });

  test("a table of long texts takes as long as they are", () => {
    const rows = Array.from({ length: 200 }, () => ["id", "漢".repeat(8_000)]);
    // Some milliseconds; five minutes, if each cell takes the square of its length.
    expect(tableLines(["id", "text"], rows)).toHaveLength(201);
  });

  test("fields stand under each other", () => {
    expect(
      fieldLines([
        ["id", "wf-1"],
        ["version", "2"],
        ["hold", ""],
      ]),
    ).toEqual(["id:      wf-1", "version: 2", "hold:"]);
  });

  test("JSON is the standard form of the message, on one line", () => {
    const message = GetWorkflowResponse.fromPartial({
      workflow: { workflowId: "wf-1", state: WorkflowState.ACTIVE, version: 2n, metadata: { site: "B" } },
    });
    expect(JSON.parse(jsonText("concord.workflow.v1.GetWorkflowResponse", GetWorkflowResponse, message))).toEqual({
      workflow: { workflowId: "wf-1", state: "WORKFLOW_STATE_ACTIVE", version: "2", metadata: { site: "B" } },
    });
  });

  test("what callers wrote shows itself in a cell and in a field, and does nothing else", () => {
    expect(tableLines(["id", "reason"], [["wf-1", hostile]])[1]).toBe(`wf-1  ${shown}`);
    expect(fieldLines([["reason", hostile]]).map(printable)).toEqual([`reason: ${shown}`]);
  });

  test("printed JSON has the value that it had", () => {
    const written: string[] = [];
    vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
    print(JSON.stringify({ [hostile]: hostile }));
    print(["a line", hostile]);
    vi.restoreAllMocks();
    expect(JSON.parse(written[0] ?? "")).toEqual({ [hostile]: hostile });
    expect(written[0]).not.toMatch(/[\u007f-\u009f\u202e\u2028]/);
    expect(written[1]).toBe(`a line\n${shown}\n`);
  });

  test("names and times as people say them", () => {
    expect(enumText("WORKFLOW_STATE_", WorkflowState.ACTIVE)).toBe("ACTIVE");
    expect(enumText("WORKFLOW_STATE_", WorkflowState.UNSPECIFIED)).toBe("-");
    expect([timeText(undefined), timeText(new Date(0))]).toEqual(["-", "1970-01-01T00:00:00.000Z"]);
  });
});

describe("a failure, as people read it", () => {
  const written: string[] = [];
  beforeEach(() => {
    written.length = 0;
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      written.push(String(text));
      return true;
    });
  });
  afterEach(() => void vi.restoreAllMocks());

  const report = (error: unknown) => ({ code: reportFailure(error, { address: "127.0.0.1:50051" }), text: written.join("") });

  test("of the command line: 2; of the command: 1; neither with a stack", () => {
    expect(report(new UsageError("no such flag"))).toEqual({ code: 2, text: "error: no such flag\n" });
    written.length = 0;
    expect(report(new CommandError("the port is in use"))).toEqual({ code: 1, text: "error: the port is in use\n" });
  });

  test("of a call: the message, the code and reason, and each detail on a line of its own", () => {
    const error = new RichClientError("/path", Status.FAILED_PRECONDITION, "two rules deny", [
      ErrorInfo.fromPartial({ reason: "RULE_DENIED", domain: "concord" }),
      PreconditionFailure.fromPartial({
        violations: ["cold", "clean"].map((subject) => ({ type: "RULE", subject, description: "denies" })),
      }),
      BadRequest.fromPartial({
        fieldViolations: [
          { field: "a", description: "is odd" },
          { field: "b", description: "is even" },
        ],
      }),
      RetryInfo.fromPartial({ retryDelay: { seconds: 1, nanos: 0 } }),
    ]);
    const { code, text } = report(error);
    expect(code).toBe(1);
    expect(text.split("\n")).toEqual([
      "error: two rules deny",
      "  FAILED_PRECONDITION / RULE_DENIED",
      "  a: is odd",
      "  b: is even",
      "  rule cold: denies",
      "  rule clean: denies",
      "  may be retried after 1 s",
      "",
    ]);
  });

  test.each([
    [7, "7 ms"],
    [1234, "1.3 s"],
    [90_000, "1.5 min"],
    [3_598_875, "60 min"],
    [3 * 3_600_000, "3 h"],
    [40 * 86_400_000, "40 d"],
  ])("of a call that may be retried after %d ms: after %s", (ms, text) => {
    const retryDelay = { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 };
    const error = new RichClientError("/path", Status.FAILED_PRECONDITION, "later", [RetryInfo.fromPartial({ retryDelay })]);
    expect(report(error).text).toContain(`  may be retried after ${text}\n`);
  });

  test("of a call: what others wrote shows itself, and makes no line of its own", () => {
    const violations = [hostile, "two"].map((description) => ({ type: "RULE", subject: hostile, description }));
    const error = new RichClientError("/path", Status.FAILED_PRECONDITION, hostile, [
      PreconditionFailure.fromPartial({ violations }),
    ]);
    expect(report(error).text.split("\n")).toEqual([
      `error: ${shown}`,
      "  FAILED_PRECONDITION",
      `  rule ${shown}: ${shown}`,
      `  rule ${shown}: two`,
      "",
    ]);
    written.length = 0;
    expect(report(new CommandError("bad \u001b[31mpath\nsecond line")).text).toBe("error: bad \\u001b[31mpath\nsecond line\n");
  });

  test("of an expression: each problem once, with its place in the source beneath", () => {
    const descriptions = ["column 1: unknown\nx || y\n^", "column 6: unknown\nx || y\n     ^"];
    const fieldViolations = descriptions.map((description) => ({ field: "expression", description }));
    const error = new RichClientError("/path", Status.INVALID_ARGUMENT, `expression: ${descriptions[0]}`, [
      ErrorInfo.fromPartial({ reason: "RULE_INVALID", domain: "concord" }),
      BadRequest.fromPartial({ fieldViolations }),
    ]);
    expect(report(error).text.split("\n")).toEqual([
      "error: expression: column 1: unknown",
      "    x || y",
      "    ^",
      "  INVALID_ARGUMENT / RULE_INVALID",
      "  expression: column 6: unknown",
      "    x || y",
      "         ^",
      "",
    ]);
  });

  test("of a server that is not there: what to do", () => {
    const { code, text } = report(new ClientError("/path", Status.UNAVAILABLE, "connect ECONNREFUSED"));
    expect([code, text]).toEqual([
      1,
      'error: no Concord answers at 127.0.0.1:50051; start one with "make up", or name another with --address\n',
    ]);
  });

  test.each([
    ["127.0.0.1:50050", "127.0.0.1:50050"],
    ["[::1]:50051", "'[::1]:50051'"],
    ["unix:/tmp/a folder/it's", "'unix:/tmp/a folder/it'\\''s'"],
  ])("of none at another address, where make up starts none: what does, for a shell: %s", (address, word) => {
    const code = reportFailure(new ClientError("/path", Status.UNAVAILABLE, "connect ECONNREFUSED"), { address });
    const advice = `start it (concord serve --listen ${word}), or name another with --address`;
    expect([code, written.join("")]).toEqual([1, `error: no Concord answers at ${address}; ${advice}\n`]);
  });

  describe("of a change without an answer: 3, and what is known", () => {
    const change = { requestId: "r-1", retryFlags: " --to 2", look: ["concord workflow get wf-1"], transactionId: "t-1" };
    const reportChange = (error: unknown, address = "127.0.0.1:50051") => {
      const code = reportFailure(error, { address, change });
      return { code, lines: written.join("").split("\n") };
    };
    const unknown = [
      "  outcome unknown: concord tx get t-1",
      "  outcome unknown: concord workflow get wf-1",
      "  retry with --request-id r-1 --to 2",
      "",
    ];

    test("but not if it could not be written: nothing was asked for", () => {
      const cause = "Request message serialization failure: invalid int32: 99999999999";
      const { code, lines } = reportChange(new ClientError("/path", Status.INTERNAL, cause));
      expect([code, lines]).toEqual([1, [`error: ${cause}`, "  INTERNAL", ""]]);
    });

    test("commands and flags are words for a shell", () => {
      const asked = { ...change, requestId: "it's r 1" };
      reportFailure(new ClientError("/path", Status.DEADLINE_EXCEEDED, "late"), { address: "unix:/a b", change: asked });
      expect(written.join("").split("\n").slice(2)).toEqual([
        "  outcome unknown: concord tx get t-1 --address 'unix:/a b'",
        "  outcome unknown: concord workflow get wf-1 --address 'unix:/a b'",
        "  retry with --request-id 'it'\\''s r 1' --to 2",
        "",
      ]);
    });

    test("if its time is over", () => {
      const error = new ClientError("/path", Status.DEADLINE_EXCEEDED, "Deadline exceeded");
      expect(reportChange(error)).toEqual({
        code: 3,
        lines: ["error: Deadline exceeded", "  DEADLINE_EXCEEDED", ...unknown],
      });
    });

    test("if the connection broke", () => {
      const error = new ClientError("/path", Status.UNAVAILABLE, "Connection dropped");
      expect(reportChange(error)).toEqual({
        code: 3,
        lines: ["error: the connection to 127.0.0.1:50051 broke before an answer came", ...unknown],
      });
    });

    test("if the server does not know, with the transaction that it names, and the address if it must be said", () => {
      const error = new RichClientError("/path", Status.DEADLINE_EXCEEDED, "not ended", [
        ErrorInfo.fromPartial({ reason: "OUTCOME_PENDING", domain: "concord", metadata: { transaction_id: "t-2" } }),
      ]);
      expect(reportChange(error, "host:1")).toEqual({
        code: 3,
        lines: [
          "error: not ended",
          "  DEADLINE_EXCEEDED / OUTCOME_PENDING",
          "  outcome unknown: concord tx get t-2 --address host:1",
          "  outcome unknown: concord workflow get wf-1 --address host:1",
          "  retry with --request-id r-1 --to 2",
          "",
        ],
      });
    });

    test("but not if it was refused, or never sent", () => {
      const refused = new RichClientError("/path", Status.ABORTED, "no", [ErrorInfo.fromPartial({ reason: "VERSION_MISMATCH" })]);
      expect(reportChange(refused)).toEqual({ code: 1, lines: ["error: no", "  ABORTED / VERSION_MISMATCH", ""] });
      written.length = 0;
      const unsent = new ClientError("/path", Status.UNAVAILABLE, "No connection established. Last error: ECONNREFUSED");
      expect(reportChange(unsent)).toMatchObject({ code: 1, lines: [expect.stringMatching(/^error: no Concord answers/), ""] });
    });
  });

  test("that nobody foresaw: with its stack", () => {
    expect(report(new Error("a defect")).text).toMatch(/^Error: a defect\n {4}at /);
  });
});
