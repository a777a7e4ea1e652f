import { expect, test } from "vitest";
import { stepCoordinator } from "../../../src/commit/core/coordinator.ts";
import type { CoordinatorInput } from "../../../src/commit/core/coordinator-step.ts";
import type { Transaction } from "../../../src/commit/core/types.ts";
import type { Run } from "../../../src/commit/run.ts";
import { endAll, endAnswered, originOf } from "../../../src/commit/spans.ts";
import type { Origin } from "../../../src/kernel/origin.ts";
import { ack, at, begun, id, vote } from "./support.ts";

/** A run of two participants, as far as spans see it, to whom Prepares and then decisions have gone out. */
function world(...heard: readonly CoordinatorInput[]) {
  return running(...heard).ended;
}

function running(...heard: readonly CoordinatorInput[]) {
  const [started, ended]: [string[], string[]] = [[], []];
  const origin = {} as Origin;
  const view = heard.reduce<Transaction>(
    (each, input) => stepCoordinator(each, input).transaction as Transaction,
    begun(["a", "b"]).transaction,
  );
  const run = { origin, core: view, view, spans: undefined } as unknown as Run;
  const spans = {
    start: (name: string, { attributes }: { readonly attributes: Readonly<Record<string, unknown>> }) => ({
      origin: started.push(name) && origin,
      run: <T>(work: () => T) => work(),
      end: ({ error, attributes: answer }: { readonly error?: string; readonly attributes?: object } = {}) =>
        void ended.push(
          [name, attributes["concord.participant.id"], ...Object.values(answer ?? {}), ...(error ? [error] : [])].join(" "),
        ),
    }),
  };
  // However often it is asked, one span lasts until the answer.
  for (const type of ["prepare", "decision", "prepare", "decision"] as const)
    for (const name of ["a", "b"]) originOf(spans as never, run, id(name), { type } as never);
  expect(started).toEqual(["Prepare", "Prepare", "Decision", "Decision"]);
  endAnswered(run);
  // What has ended does not end again.
  endAnswered(run);
  return { run, ended };
}

const votes = [vote("a", "commit"), vote("b", "commit")];

test("a span lasts until its participant has answered, and no longer", () => {
  expect(world()).toEqual([]);
  expect(world(vote("a", "commit"))).toEqual(["Prepare a commit"]);
  expect(world(...votes, ack("a", "committed"))).toEqual(["Prepare a commit", "Decision a committed", "Prepare b commit"]);
});

// Nobody says of it that it has committed, and it is asked no more.
test("that of a Prepare ends without a vote once another participant has aborted the transaction", () => {
  expect(world(vote("a", "abort"))).toEqual(["Prepare a abort", "Prepare b none"]);
});

test("that of a decision ends as lost, once its participant has lost what it had promised", () => {
  expect(world(...votes, ack("a", "committed"), ack("b", "lost", "no such transaction"))).toEqual([
    "Prepare a commit",
    "Decision a committed",
    "Prepare b commit",
    "Decision b committed LOST",
  ]);
});

test("that of a decision tells what its participant has done, though it contradicts an operator", () => {
  const resolve = { type: "resolve", outcome: "committed", reason: "", requestedBy: "ada", ...at() } as const;
  expect(world(...votes, ack("a", "committed"), resolve, ack("b", "aborted")).at(-1)).toBe("Decision b aborted");
});

test("what nobody has answered when the run is over ends with it, once", () => {
  const { run, ended } = running(vote("a", "commit"));
  endAll(run);
  endAll(run);
  expect(ended).toEqual(["Prepare a commit", "Prepare b", "Decision a", "Decision b"]);
  endAll({ spans: undefined });
});
