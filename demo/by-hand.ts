import { enumText } from "../src/cli/output.ts";
import type { Workflow, WorkflowState } from "../src/gen/concord/workflow/v1/workflow.ts";
import type { Result } from "../src/kernel/result.ts";
import type { ClientFailure } from "../src/rpc/errors.ts";
import type { Laboratory } from "./laboratory.ts";
import type { Change, LaboratoryClient } from "./laboratory-client.ts";
import type { Narrator } from "./narrator.ts";
import { failureText } from "./retry.ts";
import { passedControls, type Sample, type Step } from "./scenario.ts";

type Parts = { readonly laboratory: Laboratory; readonly client: LaboratoryClient; readonly narrator: Narrator };

export const handSample: Sample = {
  id: "sample-0001",
  metadata: { patient: "patient-17", site: "harbour", assay: "glucose", technician: "ada", arrival_celsius: 4.5 },
  steps: [],
};

const { id } = handSample;
const accept: Step = { verb: "move", to: "ACTIVE", by: "desk-a", reason: "accepted" };
const measured: Step = {
  verb: "move",
  to: "PAUSED",
  by: "ada",
  reason: "measured, waits for review",
  eventMetadata: { value: 5.1 },
};
const review: Step = { verb: "move", to: "ACTIVE", by: "ben", reason: "reviewed" };
const release: Step = { verb: "release", to: "COMPLETED", by: "ben", reason: "released", context: { controls: passedControls } };

/** One of each thing that can go wrong, and what a client sees of it. Throws if it sees anything else. */
export async function runByHand(parts: Parts): Promise<void> {
  const registered = mustChange(await parts.client.register(handSample));
  const accepted = await raceAndRepeat(parts, registered.workflow);
  const paused = mustChange(await parts.client.ask(id, measured, attempt("measured", accepted)));
  const reviewed = await outage(parts, paused.workflow);
  await veto(parts, reviewed);
  await abortedReleases(parts, reviewed);
}

async function raceAndRepeat({ client, narrator }: Parts, registered: Workflow): Promise<Workflow> {
  narrator.line(`Two desks accept it at the same moment, both with expected_version ${registered.version}.`);
  const desks = ["desk-a", "desk-b"] as const;
  const answers = await Promise.all(desks.map((by) => client.ask(id, { ...accept, by }, attempt(by, registered))));
  for (const [index, answer] of answers.entries()) narrator.detail(`${desks[index]}: ${answerText(answer)}`);
  const winner = answers.findIndex(({ ok }) => ok);
  const by = desks[winner];
  if (by === undefined || answers.every(({ ok }) => ok)) throw new Error("a race must have exactly one winner");

  narrator.line(`${by} did not hear the answer and sends the same request again, with the same request_id.`);
  const first = mustChange(answers[winner]);
  const again = mustChange(await client.ask(id, { ...accept, by }, attempt(by, registered)));
  if (again.event.sequence !== first.event.sequence) throw new Error("a repetition must get the first answer");
  narrator.detail(
    `the first answer again: event ${again.event.sequence}, version ${again.workflow.version}; nothing was done twice`,
  );
  return again.workflow;
}

async function outage({ laboratory, client, narrator }: Parts, paused: Workflow): Promise<Workflow> {
  await laboratory.engine.end("SIGTERM");
  narrator.line("The predicate engine is stopped. ben reviews the measurement.");
  let restarted: Promise<unknown> | undefined;
  const answer = await client.ask(id, review, attempt("review", paused), (failure) => {
    if (restarted !== undefined) return;
    narrator.detail(`${failureText(failure)}; retry after ${failure.retryAfterMs} ms`);
    restarted = laboratory.engine.start();
    // Awaited below, unless this ends before.
    restarted.catch(() => {});
  });
  await restarted;
  narrator.line("The engine is started. ben's program has repeated the request, as it was told to.");
  narrator.detail(answerText(answer));
  return mustChange(answer).workflow;
}

async function veto({ client, narrator }: Parts, reviewed: Workflow): Promise<void> {
  narrator.line("ada measured the sample, and wants to release it too.");
  const answer = await client.ask(id, { ...release, by: "ada" }, attempt("release-by-ada", reviewed));
  mustFail(answer, "RULE_DENIED");
  narrator.detail(answerText(answer));
}

async function abortedReleases({ laboratory, client, narrator }: Parts, reviewed: Workflow): Promise<void> {
  const { instrument, inventory } = laboratory;
  await instrument.end("SIGTERM");
  await instrument.start(["--commit-probability", "0"]);
  narrator.line("ben releases it, together with inventory and instrument. The instrument is out of order, and votes no.");
  const refused = await client.ask(id, release, attempt("release-1", reviewed));
  mustFail(refused, "TRANSACTION_ABORTED");
  narrator.detail(answerText(refused));
  await mustBeAsBefore(client, narrator, reviewed);

  await instrument.end("SIGTERM");
  await instrument.start();
  await inventory.end("SIGTERM");
  narrator.line("The instrument is repaired, but now the inventory is away.");
  const missing = await client.ask(id, release, { ...attempt("release-2", reviewed), waitMs: 0 });
  mustFail(missing, "TRANSACTION_ABORTED");
  narrator.detail(answerText(missing));
  await mustBeAsBefore(client, narrator, reviewed);

  await inventory.start();
  narrator.line("Both are there.");
  const released = await client.askAgainIfAborted(id, release, attempt("release-3", reviewed));
  const { event } = mustChange(released);
  narrator.detail(`${answerText(released)}, together with both in transaction ${event.transactionId}`);
}

function attempt(name: string, { version }: Workflow) {
  return { requestId: `${id}/${name}`, expectedVersion: version };
}

async function mustBeAsBefore(client: LaboratoryClient, narrator: Narrator, before: Workflow): Promise<void> {
  const { state, version } = await client.look(id);
  if (state !== before.state || version !== before.version) throw new Error("an aborted release must change nothing");
  narrator.detail(`${id} is as it was: ${stateText(state)}, version ${version}`);
}

function mustChange(answer: Result<Change, ClientFailure> | undefined): Change {
  if (answer?.ok !== true) throw new Error(`refused: ${answer === undefined ? "no answer" : failureText(answer.error)}`);
  return answer.value;
}

function mustFail(answer: Result<Change, ClientFailure>, reason: string): void {
  if (answer.ok || answer.error.reason !== reason) throw new Error(`expected ${reason}, got ${answerText(answer)}`);
}

function answerText(answer: Result<Change, ClientFailure>): string {
  if (!answer.ok) return failureText(answer.error);
  const { state, version } = answer.value.workflow;
  return `${stateText(state)}, version ${version}`;
}

function stateText(state: WorkflowState): string {
  return enumText("WORKFLOW_STATE_", state);
}
