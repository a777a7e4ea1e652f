import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const concord = join(import.meta.dirname, "../../bin/concord");

test.each([
  ["lifecycle", ["TransitionValidity", "TerminalStateImmutability", "EventPerChange, StateConsistency"]],
  ["concurrency", ["WorkflowUniqueness", "ConcurrentSafety", "VersionMonotonicity", "AtMostOncePerRequestId", "NoEventSkipped"]],
  ["rules", ["PredicateLogicDependency", "TransitionValidity", "PredicateLogicDependency", "PredicateLogicDependency"]],
  ["recovery", ["RecoverySessionValidity", "RecoveryCompleteness", "RetryHearsFirstAnswer"]],
])("concord demo %s shows its properties", async (name, properties) => {
  const { stdout } = await promisify(execFile)(concord, ["demo", name]);
  expect([...stdout.matchAll(/^ {2}(?:ok|FAIL) {2,4}([A-Za-z, ]+):/gm)].map(([, property]) => property)).toEqual(properties);
  expect(stdout).not.toContain("FAIL  ");
  expect(stdout).toContain("All is as it must be");
});
