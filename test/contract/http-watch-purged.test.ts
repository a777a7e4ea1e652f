import { request as httpRequest, type IncomingMessage } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { askJson, blocksOf, openEvents, parsed, type SentEvent } from "../support/http-client.ts";

// A watch over HTTP whose events are purged before it has sent them: told once, in the way in which it can still be told.

const data = temporaryFolder();
let server: TestServer;
let url: string;
const by = { reason: "a test", requestedBy: "ada" };

beforeAll(async () => {
  server = await startServer({ dataDir: data.path, httpListen: "127.0.0.1:0" });
  url = server.url;
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

async function post(path: string, body: object) {
  const { status, json } = await askJson(`${url}/v1/${path}`, { method: "POST", body: { ...by, ...body } });
  expect([path, status, status === 200 ? "" : json]).toEqual([path, 200, ""]);
  return json;
}
const create = (workflowId: string) => post("workflows", { workflowId });
const move = (workflowId: string, state: string, body: object = {}) =>
  post(`workflows/${workflowId}/transitions`, { targetState: `WORKFLOW_STATE_${state}`, ...body });
const purgeAll = async (): Promise<string> =>
  (await post("workflows:purge", { olderThan: "0s", filter: "true" })).oldestSequence as string;

test("from before a purge is 410, by its query and by Last-Event-ID, with where nothing is missing from", async () => {
  await create("early");
  const watch = await openEvents(`${url}/v1/events?after_sequence=0`);
  await watch.next();
  const created = await watch.next();
  watch.close();
  for (const state of ["ACTIVE", "COMPLETED"]) await move("early", state);
  const oldest = await purgeAll();
  const places: readonly (readonly [string, Record<string, string>])[] = [
    [`${url}/v1/events?after_sequence=0`, {}],
    [`${url}/v1/events`, { "last-event-id": created?.id ?? "" }],
    // What was seen last is further than where it began.
    [`${url}/v1/events?after_sequence=${Number(oldest) - 1}`, { "last-event-id": created?.id ?? "" }],
  ];
  for (const [place, headers] of places) {
    const { status, json } = await askJson(place, { headers: { accept: "text/event-stream", ...headers } });
    expect([status, json]).toMatchObject([
      410,
      { status: 410, reason: "REVISION_COMPACTED", metadata: { oldest_sequence: oldest } },
    ]);
  }
  const after = await openEvents(`${url}/v1/events`, { "last-event-id": String(Number(oldest) - 1) });
  expect([after.status, await after.next()]).toMatchObject([200, { id: String(Number(oldest) - 1) }]);
  await create("later");
  expect((await after.next())?.data.event).toMatchObject({ sequence: oldest, workflowId: "later" });
  after.close();
});

test("overtaken by a purge while it is read slowly ends with an event `error`, after all that was there to be told", async () => {
  await create("long");
  const note = "x".repeat(60_000);
  await move("long", "ACTIVE", { eventMetadata: { note } });
  // More than what waits between a server and who does not read: sockets, windows, and the stretch that was read already.
  const moves = 400;
  for (let index = 0; index < moves; index += 1)
    await move("long", index % 2 === 0 ? "PAUSED" : "ACTIVE", { eventMetadata: { note } });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const { oldestSequence } = (await askJson(`${url}/v1/system/stats`)).json;
  const place = `${url}/v1/events?after_sequence=${Number(oldestSequence) - 1}`;
  httpRequest(place, { agent: false, headers: { accept: "text/event-stream" } }, resolve)
    .once("error", reject)
    .end();
  const response = await promise;
  response.pause();
  await move("long", "COMPLETED");
  await purgeAll();
  const told: SentEvent[] = [];
  for await (const block of blocksOf(response)) told.push(parsed(block));
  const sequences = told.flatMap(({ data: sent }) => (sent?.event === undefined ? [] : [Number(sent.event.sequence)]));
  const first = sequences[0] ?? Number.NaN;
  expect(sequences).toEqual(sequences.map((_, index) => first + index));
  expect(sequences.length).toBeGreaterThan(0);
  expect(sequences.length).toBeLessThan(moves);
  const { oldestSequence: oldest } = (await askJson(`${url}/v1/system/stats`)).json;
  expect(told.at(-1)).toMatchObject({
    event: "error",
    data: { status: 410, reason: "REVISION_COMPACTED", metadata: { oldest_sequence: oldest } },
  });
  expect(told.filter(({ event }) => event === "error")).toHaveLength(1);
  const seen = told.findLast(({ id }) => id !== undefined)?.id ?? "";
  const again = await askJson(`${url}/v1/events`, { headers: { accept: "text/event-stream", "last-event-id": seen } });
  expect(again).toMatchObject({ status: 410, json: { reason: "REVISION_COMPACTED" } });
});
