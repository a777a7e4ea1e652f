import { expect, test } from "vitest";
import { createAuthorization } from "../../../src/access/authorization.ts";
import type { Grant } from "../../../src/access/core/policy.ts";
import { principalsKeptMax } from "../../../src/access/limits.ts";

const method = "/concord.workflow.v1.WorkflowService/GetWorkflow";
const grant: Grant = { principals: ["p*"], roles: ["reader"], types: undefined, idPrefix: "", participants: undefined };
const named = (name: string) => ({ name, by: "token" }) as const;

test("a decision is made once, until the grants change, and not more of them are kept than may be", () => {
  const { decide, replace } = createAuthorization([grant], "own");
  const first = decide(named("p0"), method);
  expect(decide(named("p0"), method)).toBe(first);
  for (let index = 1; index < principalsKeptMax; index += 1) decide(named(`p${index}`), method);
  expect(decide(named("p0"), method)).toBe(first);
  decide(named("one more"), method);
  expect(decide(named("p0"), method)).not.toBe(first);
  replace([]);
  expect(decide(named("p0"), method)).toMatchObject({ allowed: false });
});

test("what is proved otherwise is another principal", () => {
  const { decide } = createAuthorization([], "own");
  expect(decide({ name: "system:own", by: "process" }, "/concord.commit.v1.TwoPhaseCommit/Participate")).toMatchObject({
    allowed: true,
  });
  expect(decide(named("system:own"), "/concord.commit.v1.TwoPhaseCommit/Participate")).toMatchObject({ allowed: false });
});

test("who follows is told of each change, until it follows no more", () => {
  const { follow, replace } = createAuthorization([grant], "own");
  let told = 0;
  const unfollow = follow(() => {
    told += 1;
    if (told === 2) unfollow();
  });
  for (let index = 0; index < 3; index += 1) replace([]);
  expect(told).toBe(2);
});

test("who is told decides by what counts then", () => {
  const { decide, follow, replace } = createAuthorization([grant], "own");
  expect(decide(named("p1"), method).allowed).toBe(true);
  const seen: boolean[] = [];
  follow(() => void seen.push(decide(named("p1"), method).allowed));
  replace([]);
  replace([grant]);
  expect(seen).toEqual([false, true]);
});

test("many who follow are told in turns, and none that has ended by then", async () => {
  const next = Promise.withResolvers<void>();
  let asked = 0;
  const breathe = () => {
    asked += 1;
    return asked === 2 ? next.promise : undefined;
  };
  const { follow, replace } = createAuthorization([grant], "own", () => breathe);
  const told: number[] = [];
  const unfollow = [1, 2, 3].map((each) => follow(() => void told.push(each)));
  replace([]);
  expect(told).toEqual([1]);
  unfollow[1]?.();
  next.resolve();
  await next.promise;
  await Promise.resolve();
  expect(told).toEqual([1, 3]);
});
