import { createHmac } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { sinkCommand } from "../../src/cli/sink.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { createDice } from "../simulation/random.ts";
import { runCommand } from "../support/command.ts";
import { temporaryFolder } from "../support/concord.ts";
import { type Server, serve } from "../support/process.ts";
import { seed } from "../support/seed.ts";
import { until } from "../support/until.ts";

// A receiver over HTTP that fails at random, and refuses what one of its callers has done; Concord is killed in the middle, with -9.

const { ACTIVE, PAUSED } = WorkflowState;
const secret = "whsec_bm90IGEgc2VjcmV0";
const data = temporaryFolder();
let concord: Server;
let listen = "127.0.0.1:0";

type Event = { readonly sequence: string; readonly data: { readonly requestedBy: string } };

const dice = createDice(seed);
/** As they were acknowledged. */
const taken: number[] = [];
const problems: string[] = [];
let refusesBad = true;

const receiver = createServer(async (request, response) => {
  const body = await text(request);
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature } = request.headers;
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const expected = `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
  if (signature !== expected) problems.push(`a signature is wrong: ${signature}`);
  const events = JSON.parse(body) as readonly Event[];
  const isBad = events.some((event) => event.data.requestedBy === "bad");
  if (isBad && refusesBad) return void response.writeHead(422).end("not from here");
  if (dice.chance(0.1)) return void request.socket.destroy();
  if (dice.chance(0.1)) return void response.writeHead(500).end();
  if (dice.chance(0.1)) return void response.writeHead(429, { "retry-after": "0" }).end();
  taken.push(...events.map(({ sequence }) => Number(sequence)));
  // It has them, and nobody hears of it.
  if (dice.chance(0.05)) return void request.socket.destroy();
  response.writeHead(204).end();
});

const flags: string[] = [];

async function start(): Promise<void> {
  concord = await serve(join(data.path, "concord"), { listen, flags });
  listen = concord.address;
}

beforeAll(async () => {
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  process.env["SINKS_WEBHOOK_SECRET"] = secret;
  const { port } = receiver.address() as AddressInfo;
  const file = join(data.path, "sinks.yaml");
  const url = `http://127.0.0.1:${port}/`;
  const hook = { name: "hook", type: "webhook", url, secret_env: "SINKS_WEBHOOK_SECRET", batch: 10, refusals: 2 };
  writeFileSync(file, JSON.stringify({ sinks: [hook] }));
  flags.push("--sinks", file);
  await start();
});

afterAll(async () => {
  await concord?.terminate();
  receiver.closeAllConnections();
  receiver.close();
  data.remove();
});

async function move(workflowId: string, count: number, requestedBy: string): Promise<void> {
  const channel = openChannel(concord.address);
  const { workflows } = connect(channel);
  try {
    await workflows.createWorkflow({ workflowId, requestedBy: "good" });
    for (let index = 0; index < count; index += 1) {
      const targetState = index % 2 === 0 ? ACTIVE : PAUSED;
      await workflows.transitionWorkflow({ workflowId, targetState, reason: "a test", requestedBy });
    }
  } finally {
    channel.close();
  }
}

const sink = (...args: readonly string[]) => runCommand(sinkCommand(), ...args, "--address", concord.address);

async function status() {
  const { out } = await sink("list", "-o", "json");
  const { cursor = "0", newest = "0", deadLetters = 0, state } = JSON.parse(out);
  return { cursor: Number(cursor), newest: Number(newest), deadLetters: Number(deadLetters), state: String(state) };
}

const allIsPublished = () =>
  until(
    async () => {
      const { cursor, newest } = await status();
      return cursor === newest ? newest : undefined;
    },
    `all is published (SEED=${seed})`,
    { limitMs: 120_000, describe: async () => (await sink("list")).err },
  );

const firstOf = (sequences: readonly number[]): readonly number[] => [...new Set(sequences)];
const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);

test(`each event arrives, first in order, over failures and a kill; what is refused is a dead letter, and can be published later (SEED=${seed})`, async () => {
  const moving = move("wf-1", 60, "good").catch(() => undefined);
  await until(() => taken.length > 15, "some have arrived");
  await concord.kill();
  await moving;
  await start();
  await move("wf-2", 2, "bad");
  await move("wf-3", 10, "good");
  const newest = await allIsPublished();
  expect(problems).toEqual([]);
  const listed = await sink("dead-letters", "hook", "-o", "json");
  const letters = listed.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly sequence: string; readonly cause: string; readonly tries: number });
  const dead = letters.map(({ sequence }) => Number(sequence));
  expect(letters.map(({ cause }) => cause)).toEqual(["HTTP 422: not from here", "HTTP 422: not from here"]);
  expect(firstOf(taken)).toEqual(upTo(newest).filter((sequence) => !dead.includes(sequence)));

  const table = await sink("dead-letters", "hook");
  expect(table.out).toMatch(new RegExp(`^${dead[0]} +wf-2 +TRANSITION +\\d+ .*HTTP 422: not from here$`, "m"));
  const early = await sink("retry", "hook", "--reason", "a try");
  expect([early.code, early.out]).toEqual([0, "published: 0; dead letters left: 2\n"]);
  refusesBad = false;
  await until(async () => {
    await sink("retry", "hook", "--from", String(dead[0]), "--to", String(dead[0]), "--reason", "the receiver is mended");
    return (await status()).deadLetters === 1;
  }, "one is published");
  const discarded = await sink("discard", "hook", "--from", String(dead[1]), "--to", String(dead[1]), "--reason", "a test");
  expect(discarded.out).toBe("discarded: 1; dead letters left: 0\n");
  expect(taken).toContain(dead[0]);
  expect(taken).not.toContain(dead[1]);
});

test("a sink is paused, resumed and reset from the command line", async () => {
  await allIsPublished();
  const { newest } = await status();
  const paused = await sink("pause", "hook", "--reason", "a look");
  expect([paused.code, paused.out]).toEqual([0, `hook is paused after ${newest}\n`]);
  await move("wf-4", 0, "good");
  expect(await status()).toMatchObject({ state: "SINK_STATE_PAUSED", cursor: newest, newest: newest + 1 });
  expect((await sink("list")).out).toMatch(/^hook +WEBHOOK +PAUSED +\d+ +\d+ +1 /m);
  taken.length = 0;
  const reset = await sink("reset", "hook", "--to", String(newest - 2), "--reason", "the receiver has lost two");
  expect(reset.out).toBe(`hook goes on after ${newest - 2}; it was at ${newest}\n`);
  const resumed = await sink("resume", "hook", "--reason", "all is well");
  expect(resumed.out).toBe(`hook goes on after ${newest - 2}\n`);
  await allIsPublished();
  expect(firstOf(taken)).toEqual([newest - 1, newest, newest + 1]);
  const far = await sink("reset", "hook", "--to", "1000000", "--reason", "a slip");
  expect([far.code, far.err]).toEqual([1, expect.stringContaining("after_sequence: is beyond the newest event")]);
  const unknown = await sink("pause", "nobody", "--reason", "a slip");
  expect(unknown.err).toContain('there is no sink "nobody"; there are hook');
});

test("what is wrong with the file keeps the server from starting, and is named", async () => {
  const file = join(data.path, "wrong.yaml");
  writeFileSync(
    file,
    "sinks:\n  - name: hook\n    type: webhook\n    url: http://127.0.0.1:1/\n    secret_env: NOT_SET_ANYWHERE\n",
  );
  const started = serve(join(data.path, "other"), { flags: ["--sinks", file] });
  await expect(started).rejects.toThrow("sinks[0].secret_env names NOT_SET_ANYWHERE, which is not set in the environment");
});

test("so does a filter that does not compile", async () => {
  const file = join(data.path, "filter.yaml");
  const hook = {
    name: "hook",
    type: "webhook",
    url: "http://127.0.0.1:1/",
    secret_env: "SINKS_WEBHOOK_SECRET",
    filter: "event.stat",
  };
  writeFileSync(file, JSON.stringify({ sinks: [hook] }));
  await expect(serve(join(data.path, "other"), { flags: ["--sinks", file] })).rejects.toThrow(/filter of hook .*stat/);
});
