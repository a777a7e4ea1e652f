import { expect, test } from "vitest";
import { createFrameReader, framed } from "../../../src/rpc/frames.ts";

const messages = [Buffer.from("one"), Buffer.alloc(0), Buffer.from("a longer one"), Buffer.from("4")];

test("messages are whole again, wherever the chunks are cut", () => {
  const frames = framed(messages);
  for (let first = 1; first < frames.length; first += 1) {
    for (let second = first; second < frames.length; second += 3) {
      const read = createFrameReader(100);
      const chunks = [frames.subarray(0, first), frames.subarray(first, second), frames.subarray(second)];
      const whole = chunks.filter(({ length }) => length > 0).flatMap((chunk) => read(chunk));
      expect(whole.map(String)).toEqual(messages.map(String));
    }
  }
});

test("what has come together is handed on together", () => {
  const read = createFrameReader(100);
  expect(read(framed(messages)).length).toBe(messages.length);
  expect(read(framed([Buffer.from("next")])).map(String)).toEqual(["next"]);
});

test("what is too large is refused at its prefix, and so is what is compressed", () => {
  expect(() => createFrameReader(9)(framed([Buffer.alloc(10)]).subarray(0, 5))).toThrow("a message has 10 bytes, more than 9");
  expect(() => createFrameReader(9)(Buffer.from([1, 0, 0, 0, 1, 0]))).toThrow("a message is compressed");
});
