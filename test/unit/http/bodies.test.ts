import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { createBodies } from "../../../src/http/bodies.ts";
import type { Bound } from "../../../src/rpc/refusals.ts";

function incoming(headers: Readonly<Record<string, string>> = {}): PassThrough & IncomingMessage {
  return Object.assign(new PassThrough(), { headers }) as unknown as PassThrough & IncomingMessage;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a body comes whole, and is counted until then", async () => {
  const bodies = createBodies({ bodyBytesMax: 10, receivingBytesMax: 20 }, () => undefined);
  const request = incoming();
  const body = bodies.read(request);
  request.write("ab");
  await turn();
  expect(bodies.bytes()).toBe(2);
  request.end("cd");
  expect(String(await body)).toBe("abcd");
  expect(bodies.bytes()).toBe(0);
});

test("one that is too large is refused, by what it says or by what comes", async () => {
  const bodies = createBodies({ bodyBytesMax: 10, receivingBytesMax: 20 }, () => undefined);
  expect(await bodies.read(incoming({ "content-length": "11" }))).toMatchObject({
    details: expect.stringContaining("more than 10 bytes"),
  });
  const request = incoming();
  const body = bodies.read(request);
  request.write("x".repeat(11));
  expect(await body).toMatchObject({ details: expect.stringContaining("more than 10 bytes") });
  expect(bodies.bytes()).toBe(0);
});

test("beyond what all may have, the largest is refused", async () => {
  const refused: Bound[] = [];
  const bodies = createBodies({ bodyBytesMax: 10, receivingBytesMax: 12 }, (bound) => refused.push(bound));
  const [large, small] = [incoming(), incoming()];
  const [ofLarge, ofSmall] = [bodies.read(large), bodies.read(small)];
  large.write("x".repeat(9));
  await turn();
  small.write("x".repeat(4));
  expect(await ofLarge).toMatchObject({ details: expect.stringContaining("bytes of half-sent requests") });
  small.end();
  expect(String(await ofSmall)).toBe("xxxx");
  expect([refused.length, bodies.bytes()]).toEqual([1, 0]);
});

test("a sender that leaves has sent nothing", async () => {
  const bodies = createBodies({ bodyBytesMax: 10, receivingBytesMax: 12 }, () => undefined);
  const request = incoming();
  const body = bodies.read(request);
  request.destroy();
  expect(await body).toBeUndefined();
});
