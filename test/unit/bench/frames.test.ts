import { expect, test } from "vitest";
import { createFrames } from "../../bench/frames.ts";

const frame = (...body: readonly number[]): number[] => [0, 0, 0, 0, body.length, ...body];
const bytes = [...frame(10, 1, 2), ...frame(), ...frame(18), ...frame(10, 9)];

test.each([1, 2, 3, 5, 7, 100])("messages are told once each, in pieces of %i bytes", (size) => {
  const told: number[] = [];
  const read = createFrames((firstByte) => told.push(firstByte));
  for (let at = 0; at < bytes.length; at += size) read(Uint8Array.from(bytes.slice(at, at + size)));
  expect(told).toEqual([10, 18, 10]);
});
