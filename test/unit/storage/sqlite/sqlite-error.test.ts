import { expect, test } from "vitest";
import {
  isBusy,
  isCorruptError,
  isDuplicateKey,
  isEnvironmentError,
  isFull,
  messageOf,
  openFailure,
} from "../../../../src/storage/sqlite/sqlite-error.ts";

const failed = (errcode: number): Error => Object.assign(new Error("it has failed"), { errcode });

/** https://www.sqlite.org/rescode.html: with an extended code of each that has one. */
const environment = [3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 23, 26, 10 + (2 << 8), 14 + (3 << 8), 8 + (4 << 8)];
const statement = [1, 2, 4, 12, 16, 17, 18, 19, 20, 21, 24, 25, 1555, 2067, 0];

test("what the disk, the file or the system is at fault for is told from what the statement is", () => {
  expect(environment.filter((code) => !isEnvironmentError(failed(code)))).toEqual([]);
  expect(statement.filter((code) => isEnvironmentError(failed(code)))).toEqual([]);
  for (const none of [new Error("none"), "none", undefined, Object.assign(new Error("none"), { errcode: "10" })])
    expect([isEnvironmentError(none), isBusy(none), isFull(none), isDuplicateKey(none)]).toEqual([false, false, false, false]);
});

test("each kind is known by its codes", () => {
  const which = (is: (error: unknown) => boolean) => [...environment, ...statement, 2579].filter((code) => is(failed(code)));
  expect([isBusy, isFull, isCorruptError, isDuplicateKey].map(which)).toEqual([[5], [13], [11, 26], [1555, 2067, 2579]]);
  expect([messageOf(failed(5)), messageOf("a text")]).toEqual(["it has failed", "a text"]);
});

test.each([
  { code: 11, type: "corrupt" },
  { code: 26, type: "corrupt" },
  { code: 13, type: "no-space" },
  { code: 4874, type: "no-space" },
  { code: 14, type: "inaccessible" },
])("what cannot be opened for code $code is $type", ({ code, type }) => {
  expect(openFailure("a.db", failed(code))).toMatchObject({ type, message: expect.stringMatching(/^a\.db .*it has failed/) });
});
