import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/concord.ts";
import { type Server, serve } from "../support/process.ts";
import { type Answer, typed } from "../support/typed.ts";

// Policies and deadlines as an operator types them, against a real server.

const data = temporaryFolder();
const file = join(data.path, "sample.policy.yaml");
let server: Server;

beforeAll(async () => {
  server = await serve(join(data.path, "server"));
});

afterAll(async () => {
  await server.kill();
  data.remove();
});

const concord = (...args: readonly string[]): Promise<Answer> => typed(args, { address: server.address });

const policy = (...args: readonly string[]): Promise<Answer> => concord("policy", ...args);

const text = `type: sample
deadlines:
  - state: ACTIVE
    after: 2h
    target_state: FAILED
    reason: an analysis takes two hours at most
recovery:
  max_attempts: 3
  initial_backoff: 1m
`;

test("a policy is applied from a file, shown as a file, changed, listed and deleted", async () => {
  writeFileSync(file, text);
  const applied = await policy("apply", file, "--by", "ada", "--reason", "too slow");
  const whole = `${text}  multiplier: 2\n  max_backoff: 24h\n`;
  expect(applied).toMatchObject({ code: 0, err: "" });
  expect(applied.out).toMatch(/^# revision: 1\n# updated: {2}\S+ by ada\n# reason: {3}too slow\n/);
  expect(applied.out.replace(/^#.*\n/gm, "")).toBe(whole);

  // What is shown is a file.
  const { out } = await policy("get", "sample");
  writeFileSync(file, out);
  expect((await policy("apply", file, "--expected-revision", "1")).out).toContain("# revision: 2\n");
  expect(await policy("apply", file, "--expected-revision", "1")).toMatchObject({
    code: 1,
    err: expect.stringContaining("ABORTED / POLICY_REVISION_MISMATCH"),
  });

  const listed = await policy("list", "-o", "json");
  expect(JSON.parse(listed.out)).toMatchObject({
    workflowType: "sample",
    revision: "2",
    terms: { deadlines: [{ after: "7200s" }] },
  });
  expect((await policy("list")).out).toMatch(/^TYPE .*\nsample +2 +1 +yes /);
  expect(await policy("delete", "sample")).toMatchObject({ code: 0 });
  expect(await policy("get", "sample")).toMatchObject({
    code: 1,
    err: expect.stringContaining("NOT_FOUND / POLICY_NOT_FOUND"),
  });
});

test("what is wrong with a file is told at its place, without a server; what the server refuses names the field", async () => {
  writeFileSync(file, text.replace("after: 2h", "afer: 2h"));
  const wrong = await policy("apply", file, "--address", "127.0.0.1:1");
  expect(wrong.code).toBe(1);
  expect(wrong.err).toContain(`${file}:4:5: error: unknown key "afer"; did you mean "after"?\n`);
  writeFileSync(file, text.replace("target_state: FAILED", "target_state: CREATED"));
  expect((await policy("apply", file)).err).toContain(
    "terms.deadlines[0].target_state: must be one of PAUSED, COMPLETED, FAILED, CANCELLED, where ACTIVE can go",
  );
  writeFileSync(file, `${text}  max_backoff: 10s\n`);
  expect((await policy("apply", file)).err).toContain("terms.recovery.max_backoff: must be at least initial_backoff");
});

test("a deadline is given with a creation or a move, shown, listed, changed, cancelled, and passes", async () => {
  const workflow = (...args: readonly string[]): Promise<Answer> => concord("workflow", ...args, "--by", "ada");
  const created = await workflow("create", "slow", "--start", "--deadline", "FAILED@2h");
  expect(created).toMatchObject({ code: 0, err: "" });
  expect(created.out).toMatch(/^deadline: \d{4}-\S+Z \(to FAILED\)$/m);
  expect((await concord("workflow", "list")).out).toMatch(/^slow .* \(to FAILED\) /m);
  const at = "2030-01-01T00:00:00.000Z";
  const set = await workflow("deadline", "set", "slow", "CANCELLED", at, "--move-reason", "out of date", "-o", "json");
  expect(JSON.parse(set.out)).toMatchObject({
    deadline: { at: "2030-01-01T00:00:00Z", targetState: "WORKFLOW_STATE_CANCELLED", reason: "out of date", setBy: "ada" },
  });
  expect((await workflow("deadline", "cancel", "slow", "--expected-version", "3")).out).toMatch(/^deadline: -$/m);
  expect(await workflow("deadline", "cancel", "slow")).toMatchObject({
    code: 1,
    err: expect.stringContaining("FAILED_PRECONDITION / DEADLINE_NOT_SET"),
  });
  expect((await workflow("transition", "slow", "PAUSED", "--deadline", "ACTIVE@1ms")).out).toMatch(/ \(to ACTIVE\)$/m);
  expect(await concord("workflow", "wait", "slow", "--state", "ACTIVE")).toMatchObject({ code: 0 });
  expect((await workflow("create", "wrong", "--deadline", "SOON@2h")).err).toContain("It must be a state and when to move to it");
  expect((await workflow("deadline", "set", "slow", "FAILED", "soon")).err).toContain("It must be a duration such as");
});

test("what may not be recovered yet is shown, and why", async () => {
  writeFileSync(file, "type: tried\nrecovery: { initial_backoff: 1h }\n");
  await policy("apply", file);
  await concord("workflow", "create", "tried-1", "--type", "tried", "--start");
  await concord("workflow", "transition", "tried-1", "FAILED");
  expect((await concord("workflow", "get", "tried-1")).out).toMatch(/^retries: {2}0, recoverable from \S+Z on$/m);
  expect((await concord("workflow", "moves", "tried-1")).out).toContain(
    "  ACTIVE: no\n    refused by the policy of its type: RECOVERY_TOO_EARLY\n  CANCELLED: yes\n",
  );
  expect((await concord("workflow", "recover", "tried-1")).err).toContain("FAILED_PRECONDITION / RECOVERY_TOO_EARLY");
});
