import { expect, test } from "vitest";
import { goesOnFrom } from "../../../../src/commit/core/claim.ts";

const claims = (...epochs: readonly number[]) => epochs.map((epoch) => ({ epoch, id: `claim ${epoch}` }));

test.each([
  ["lists it", 2, claims(3, 2, 1), true],
  ["is still that one", 2, claims(2, 1), true],
  ["has one younger one only: it was away for long", 2, claims(3), true],
  ["has only younger ones: it was away for long", 2, claims(70, 69, 68), true],
  ["has another one with that epoch", 2, [{ epoch: 2, id: "other" }, ...claims(1)], false],
  ["has another one with that epoch, and has gone on since", 2, [...claims(3), { epoch: 2, id: "other" }, ...claims(1)], false],
  ["does not have it though it has older ones", 2, claims(3, 1), false],
  ["has only older ones", 2, claims(1), false],
  ["has none", 2, [], false],
])("a log that %s goes on from a claim or does not", (_, epoch, listed, expected) => {
  expect(goesOnFrom({ epoch, id: `claim ${epoch}` }, listed)).toBe(expected);
});
