import { appendFileSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/concord.ts";
import { runConcord } from "../support/process.ts";
import { typed } from "../support/typed.ts";

const folder = temporaryFolder();
afterAll(folder.remove);

const path = join(folder.path, "audit.jsonl");
const args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", join(folder.path, "data"), "--audit-log", path];

async function served() {
  const program = runConcord(args);
  const { listen } = await program.logged("serving");
  return { program, ran: (...words: readonly string[]) => typed(words, { address: String(listen) }) };
}

const lines = (file = path) =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);

/** It asks no server. */
const verify = (...words: readonly string[]) => typed(["audit", "verify", ...words], { address: "none" });

const by = ["--by", "ada", "--reason", "because"];

test("an audit log survives kill -9 and a cut-off line, a move of its file, and shows what was changed", {
  timeout: 120_000,
}, async () => {
  const first = await served();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect((await first.ran("workflow", "create", "wf-1", ...by)).code).toBe(0);
  writeFileSync(join(folder.path, "sample.yaml"), "workflow_type: sample\nrecovery: { max_attempts: 3 }\n");
  const policy = join(folder.path, "sample.yaml");
  expect((await first.ran("rule", "create", "cold", "true", ...by)).code).toBe(0);
  expect((await first.ran("rule", "activate", "none", ...by)).code).toBe(1);
  // What clients do all day is not in it.
  expect(lines().map(({ event, method, code, error }) => [event, method, code, error])).toEqual([
    ["opened", undefined, undefined, undefined],
    ["changed", "concord.predicate.v1.PredicateLogic/CreateRule", "OK", undefined],
    ["changed", "concord.predicate.v1.PredicateLogic/ActivateRule", "NOT_FOUND", "RULE_NOT_FOUND"],
  ]);
  expect(lines()[1]).toMatchObject({
    principal: "",
    address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    about: { rule_id: "cold", requested_by: "ada", reason: "because" },
  });
  expect(JSON.stringify(lines())).not.toContain("expression");
  await first.program.kill();
  appendFileSync(path, '{"sequence":4,"at":"20');
  const unfinished = await verify(path, "-o", "json");
  expect([unfinished.code, JSON.parse(unfinished.out)]).toEqual([
    0,
    expect.objectContaining({ ok: true, lines: 3, unfinished: true }),
  ]);

  const second = await served();
  expect(second.program.log.find(({ msg }) => msg.startsWith("the last line of the audit log was cut off"))).toBeDefined();
  const { hash } = await second.program.logged("the audit log goes on from here");
  renameSync(path, `${path}.1`);
  expect((await second.ran("rule", "delete", "cold", ...by)).code).toBe(0);
  expect(await second.program.terminate()).toBe(0);
  expect(lines().map(({ event }) => event)).toEqual(["opened", "changed", "closed"]);

  const whole = await verify(`${path}.1`, path, "--includes", String(hash));
  expect([whole.code, whole.out]).toEqual([0, expect.stringContaining("it is as it was written")]);
  expect(whole.out).toContain("1 line was cut off when a process died");
  expect((await verify(path, "--includes", String(hash))).code).toBe(1);
  const alone = await verify(path);
  expect([alone.code, alone.out]).toEqual([1, expect.stringMatching(/line 1: lines 1 to \d+ are not here/)]);
  const aloneJson = await verify(path, "-o", "json");
  expect([aloneJson.code, JSON.parse(aloneJson.out)]).toMatchObject([1, { ok: false, number: 1 }]);
  const { hash: moved } = JSON.parse((await verify(`${path}.1`, "-o", "json")).out).last;
  const continued = await verify(path, "--continues", moved.toUpperCase());
  expect([continued.code, continued.out]).toEqual([0, expect.stringContaining(moved)]);
  expect((await verify(path, "--continues", "0".repeat(64))).code).toBe(1);
  writeFileSync(join(folder.path, "empty"), "");
  const empty = await verify(join(folder.path, "empty"), "-o", "json");
  expect([empty.code, JSON.parse(empty.out)]).toEqual([1, { ok: false, why: "there is no line in it" }]);

  writeFileSync(`${path}.1`, readFileSync(`${path}.1`, "utf8").replace('"requested_by":"ada"', '"requested_by":"eve"'));
  const changed = await verify(`${path}.1`, path);
  expect([changed.code, changed.out]).toEqual([1, expect.stringContaining("line 3: it does not follow from line 2")]);
  const json = await verify(`${path}.1`, path, "-o", "json");
  expect([json.code, JSON.parse(json.out)]).toMatchObject([1, { ok: false, number: 3 }]);
  expect((await verify(policy)).code).toBe(1);
  expect((await verify(join(folder.path, "none"))).err).toContain("cannot read");
});

test("a file that is no audit log is not written to, and the server does not start", async () => {
  const other = join(folder.path, "other");
  writeFileSync(other, "listen: 127.0.0.1:50051\n");
  const program = runConcord([...args.slice(0, -1), other]);
  expect(await program.exited).toBe(1);
  expect(program.text()).toContain(`audit-log: cannot use ${other}: what is there already is no audit log`);
  expect(readFileSync(other, "utf8")).toBe("listen: 127.0.0.1:50051\n");
});
