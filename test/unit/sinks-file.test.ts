import { execFileSync, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSinksFile } from "../../src/sinks-file.ts";
import { storageDir } from "../support/storage-dir.ts";

const environment = { HOOK_SECRET: "s3cret", OLD_SECRET: "old" };

function read(yaml: string) {
  const path = join(storageDir(), "sinks.yaml");
  writeFileSync(path, yaml);
  const result = readSinksFile(path, environment);
  return result.ok ? result.value : result.error.map(({ message }) => message.replace(`sinks: ${path}: `, ""));
}

/** As a shell makes them of `<(…)`, for what is decrypted on the way. */
function throughPipe<T>(text: string, use: (path: string) => T): T {
  const path = join(storageDir(), "pipe");
  execFileSync("mkfifo", [path]);
  const writing = spawn("sh", ["-c", `printf %s "$0" > ${path}`, text]);
  try {
    return use(path);
  } finally {
    writing.kill();
  }
}

test("it may come through a pipe, for it is read once", () => {
  expect(throughPipe(`sinks:${webhook}`, (path) => readSinksFile(path, environment))).toMatchObject({ ok: true });
});

const nats = `
  - name: bus
    type: nats
    servers: [nats://127.0.0.1:4222]
    stream: CONCORD
    subject_prefix: concord.events
`;

const webhook = `
  - name: hook
    type: webhook
    url: https://receiver.example/hook
    secret_env: HOOK_SECRET
`;

test("a sink has what the file says, and defaults for the rest", () => {
  expect(read(`sinks:${nats}${webhook}`)).toEqual([
    {
      name: "bus",
      filter: "",
      start: "oldest",
      type: "nats",
      options: {
        servers: ["nats://127.0.0.1:4222"],
        stream: "CONCORD",
        subjectPrefix: "concord.events",
        duplicateWindowMs: 120_000,
        replicas: 1,
        credentialsFile: undefined,
        caFile: undefined,
      },
    },
    {
      name: "hook",
      filter: "",
      start: "oldest",
      type: "webhook",
      options: {
        url: "https://receiver.example/hook",
        secrets: ["s3cret"],
        timeoutMs: 10_000,
        batchCountMax: 1,
        refusalsMax: 3,
        failuresMax: undefined,
      },
    },
  ]);
});

test("all of it can be set", () => {
  const more = `${webhook}    filter: event.type == "FAILED"\n    start: now\n    timeout: 2s\n    batch: 20\n    refusals: 1\n    failures: 9\n`;
  expect(read(`sinks:${more.replace("HOOK_SECRET", "[HOOK_SECRET, OLD_SECRET]")}`)).toMatchObject([
    {
      filter: 'event.type == "FAILED"',
      start: "now",
      options: { secrets: ["s3cret", "old"], timeoutMs: 2_000, batchCountMax: 20, refusalsMax: 1, failuresMax: 9 },
    },
  ]);
});

test("a file without sinks has none", () => {
  expect(read("sinks: []")).toEqual([]);
});

describe("what is wrong is named, with its place and what would be right", () => {
  test.each([
    ["sink: []", ["sinks must be a list of sinks", "it has unknown keys: sink; docs/events.md has those that are known"]],
    ["sinks: 3", ["sinks must be a list of sinks"]],
    ["sinks:\n  - name: a", ["sinks[0].type must have a type: nats or webhook"]],
    [
      `sinks:${nats.replace("bus", "b us")}`,
      ["sinks[0].name must be 1 to 128 characters of [A-Za-z0-9._:-], the first a letter or digit"],
    ],
    [
      `sinks:${nats.replace("nats://127", "http://127")}`,
      ["sinks[0].servers[0] must be nats://host:port or tls://host:port, without a user or a password"],
    ],
    [
      `sinks:${nats.replace("nats://127", "nats://u:p@127")}`,
      ["sinks[0].servers[0] must be nats://host:port or tls://host:port, without a user or a password"],
    ],
    [
      `sinks:${nats.replace("concord.events", "concord.>")}`,
      ["sinks[0].subject_prefix must be a subject such as concord.events, without wildcards"],
    ],
    [`sinks:${nats}    duplicate_window: 5\n`, [expect.stringContaining("sinks[0].duplicate_window")]],
    [
      `sinks:${nats}    duplicate_window: 5ms\n`,
      ["sinks[0].duplicate_window must be a duration from 1s to 24h, such as 250ms, 2s, 1m, 1h or 30d"],
    ],
    [`sinks:${nats}    sbject: x\n`, ["sinks[0] has unknown keys: sbject; docs/events.md has those that are known"]],
    [
      `sinks:${nats}${nats}`,
      [
        'sinks[1].name is "bus" again: each sink has a name of its own',
        'sinks[1].stream is "CONCORD" again: each sink has a stream of its own',
      ],
    ],
    [
      `sinks:${webhook.replace("https://receiver", "ftp://receiver")}`,
      ["sinks[0].url must be an http or https URL, without a user or a password"],
    ],
    [
      `sinks:${webhook.replace("HOOK_SECRET", "NO_SECRET")}`,
      ["sinks[0].secret_env names NO_SECRET, which is not set in the environment"],
    ],
    [
      `sinks:${webhook.replace("    secret_env: HOOK_SECRET\n", "")}`,
      ["sinks[0].secret_env is required: the name of the environment variable with the secret, or a list of up to 4"],
    ],
    [`sinks:${webhook.replace("HOOK_SECRET", "[]")}`, ["sinks[0].secret_env must name a variable"]],
    [
      `sinks:${webhook.replace("secret_env: HOOK_SECRET", "secret: s3cret")}`,
      [expect.stringContaining("secret_env"), "sinks[0] has unknown keys: secret; docs/events.md has those that are known"],
    ],
    [
      `sinks:${webhook}    batch: 101\n    refusals: 0\n`,
      ["sinks[0].batch must be a whole number from 1 to 100", "sinks[0].refusals must be a whole number from 1 to 100"],
    ],
    [`sinks:${webhook}    start: yesterday\n`, ["sinks[0].start must be oldest or now"]],
  ])("%s", (yaml, problems) => {
    expect(read(yaml)).toEqual(problems);
  });

  test("more sinks than there may be", () => {
    const many = Array.from({ length: 33 }, (_, index) => webhook.replace("hook", `hook-${index}`)).join("");
    expect(read(`sinks:${many}`)).toEqual(["sinks must have at most 32 sinks"]);
  });

  test("a file that cannot be read, or is no YAML", () => {
    const missing = readSinksFile("/no/such/file", environment);
    expect(!missing.ok && missing.error).toEqual([
      { message: expect.stringContaining("sinks: cannot read /no/such/file: ENOENT") },
    ]);
    expect(read("sinks: [")).toEqual([expect.stringContaining("cannot read")]);
  });
});
