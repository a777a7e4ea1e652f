import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { shellWord } from "../../src/cli/shell-word.ts";
import { testCertificates } from "../support/certificates.ts";
import { temporaryFolder } from "../support/concord.ts";
import { checkAddress, commandLine } from "../support/participant-check.ts";
import { runConcord } from "../support/process.ts";
import { until } from "../support/until.ts";

// The command; what it finds out is in participant-check.test.ts.

const data = temporaryFolder();
afterAll(() => data.remove());

const at = (name: string): string => join(data.path, name);

const start = (name: string): string =>
  `${commandLine(process.execPath, join(import.meta.dirname, "participant-check/naive.ts"), name)} ${checkAddress} ${shellWord(at(`${name}.jsonl`))}`;

const check = (name: string, ...flags: readonly string[]) =>
  runConcord(["participant-check", "--participant-id", name, "--listen", "127.0.0.1:0", ...flags]);

/** How it ends, and what it has printed but that it listens. */
async function outcome(program: ReturnType<typeof runConcord>): Promise<readonly [number | null, string]> {
  return [await program.exited, program.text().replace(/^listening on .*\n/m, "")];
}

test("has a line for each rule, and exits with 0 if none is broken", async () => {
  const [code, text] = await outcome(
    check("table", "--start", start("table"), "--rule", "votes-to-commit", "vote-is-durable", "no-with-reason"),
  );
  expect(text.split("\n")).toEqual([
    "passed     votes-to-commit                     Vote.value",
    "not tried  no-with-reason                      Vote.reason",
    "           needs --abort-payload, work that it refuses",
    "passed     vote-is-durable                     Vote.value, Hello.in_doubt",
    "2 passed, 0 failed, 1 not tried",
    "",
  ]);
  expect(code).toBe(0);
});

test("says what was seen and what is right of a rule that is broken, and exits with 1", async () => {
  const [code, text] = await outcome(
    check("stubborn", "--start", `${start("stubborn")} forgets-after-ack`, "--rule", "commit-again", "-o", "yaml"),
  );
  expect(text).toMatch(/failed: 1\n/);
  expect(text).toMatch(/seen: DecisionAck LOST \(no record of a promise in .*\)\n +right: DecisionAck COMMITTED\n/);
  expect(code).toBe(1);
});

test("kills and stops by the commands that it is given", async () => {
  const pid = shellWord(at("pid"));
  const left = `${start("daemon").replace(/^exec /, "")} & echo $! > ${pid}`;
  const by = (signal: string): string => `kill -${signal} $(cat ${pid})`;
  const flags = ["--start", left, "--kill", by("KILL"), "--stop", by("TERM")];
  const [code, text] = await outcome(check("daemon", ...flags, "--rule", "commit-is-durable", "goodbye-then-half-close"));
  expect([code, text.split("\n").at(-2)]).toEqual([0, "2 passed, 0 failed, 0 not tried"]);
});

test("leaves nothing behind when it is interrupted", async () => {
  const log = at("interrupted.jsonl");
  const program = check("interrupted", "--start", start("interrupted"), "--rule", "stays-away-when-refused");
  // It has taken a Welcome.
  await until(() => existsSync(log) && readFileSync(log, "utf8") !== "", "the participant is there");
  program.signal("SIGINT");
  expect(await program.exited).toBe(130);
});

test("waits for a participant that is started by hand, and says which other has come instead", async () => {
  const program = check("me", "--rule", "hello-first", "vote-is-durable");
  await until(() => program.text().includes("start participant"), "it listens");
  const [, address = ""] = /listening on (\S+); start participant "me" now/.exec(program.text()) ?? [];
  const other = runConcord(["participant", "other", "--address", address, "--data-dir", data.path]);
  expect(await other.exited).not.toBe(0);
  const own = runConcord(["participant", "me", "--address", address, "--data-dir", data.path]);
  const [code, text] = await outcome(program);
  expect(text).toContain("passed     hello-first");
  expect(text).toContain("needs --start, so that the check can kill the participant and start it");
  expect([code, await own.terminate()]).toEqual([0, 0]);
});

test("listens at a unix socket, and says so to what it starts", async () => {
  const socket = `unix:${at("check.sock")}`;
  const program = check("socket", "--listen", socket, "--start", start("socket"), "--rule", "votes-to-commit");
  await until(() => program.text().includes("listening on"), "it listens");
  expect(program.text()).toContain(`listening on ${socket}\n`);
  expect(await program.exited).toBe(0);
});

test("does not wait for what cannot be started", async () => {
  const [code, text] = await outcome(check("nobody", "--start", "exit 3"));
  expect(text).toContain("seen:  what --start runs has ended with 3\n           right: that it connects");
  expect(text).toMatch(/^0 passed, 2 failed/m);
  expect(code).toBe(1);
});

test("refuses a wrong command line, and lists its rules without a participant", async () => {
  expect(await outcome(runConcord(["participant-check"]))).toEqual([2, expect.stringContaining("--participant-id: which")]);
  expect(await outcome(check("x", "--rule", "nope"))).toEqual([2, expect.stringContaining('no rule is called "nope"')]);
  expect(await outcome(check("x y"))).toEqual([2, expect.stringContaining("must be 1 to 128 characters")]);
  const [code, text] = await outcome(runConcord(["participant-check", "--list"]));
  expect(text).toContain("commit-of-unknown (DecisionAck)\n  The commit of what it never promised");
  expect(code).toBe(0);
});

test("speaks mutual TLS, if it has certificates", async () => {
  const certificates = testCertificates(at("certificates"));
  const { tlsCert, tlsKey, tlsClientCa } = certificates.settings;
  const { ca = "", cert = "", key = "" } = certificates.client("secured");
  const program = join(import.meta.dirname, "../../src/main.ts");
  const proofs = ["--tls-ca", ca, "--tls-cert", cert, "--tls-key", key, "--data-dir", at("secured"), "--log-level", "silent"];
  const participant = `${commandLine(process.execPath, program, "participant", "secured", ...proofs)} --address ${checkAddress}`;
  const flags = ["--tls-cert", tlsCert, "--tls-key", tlsKey, "--tls-client-ca", tlsClientCa];
  const [code, text] = await outcome(check("secured", "--start", participant, "--rule", "votes-to-commit", ...flags));
  expect([code, text.split("\n").at(-2)]).toEqual([0, "1 passed, 0 failed, 0 not tried"]);
});
