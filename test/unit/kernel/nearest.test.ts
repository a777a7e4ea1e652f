import { expect, test } from "vitest";
import { nearest } from "../../../src/kernel/nearest.ts";

const names = ["temperature", "tags", "site", "count"];

test.each([
  ["temprature", "temperature"],
  ["temperatures", "temperature"],
  ["tempreature", "temperature"],
  ["Temperature", "temperature"],
  ["cuont", "count"],
  ["tgas", "tags"],
  ["sites", "site"],
])("%s was meant to be %s", (word, meant) => {
  expect(nearest(word, names)).toBe(meant);
});

test.each(["humidity", "t", "sign", "", "x".repeat(41)])("%s is near to nothing", (word) => {
  expect(nearest(word, names)).toBeUndefined();
});

test("of two, the nearer one; not among names that nobody looks through", () => {
  expect(nearest("weighs", ["weird", "weights", "weight"])).toBe("weights");
  expect(nearest("weight", ["x".repeat(41), "weights"])).toBe("weights");
  const many = Array.from({ length: 201 }, (_, i) => `name${i}`);
  expect(nearest("name5", many.slice(0, 5))).toBe("name0");
  expect(nearest("name5", many)).toBeUndefined();
});
