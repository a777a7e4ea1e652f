import { randomUUID } from "node:crypto";
import type { WorkflowEvent } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { failureText, untilAnswered } from "../retry.ts";
import { answerOf, type Stage, wordOf } from "./stage.ts";

const workflowCount = 200;
const callerCount = 16;

export async function recovery(stage: Stage): Promise<void> {
  await counted(stage);
  await killed(stage);
}

async function counted(stage: Stage): Promise<void> {
  const { narrator, clients, signal } = stage;
  narrator.line("Work fails and is recovered, twice. Before it has failed there is nothing to recover.");
  const workflowId = "measurement";
  const recover = () =>
    answerOf(clients.workflows.recoverWorkflow({ workflowId, reason: "try again", requestedBy: "demo" }, { signal }));
  await stage.create(workflowId);
  await stage.move(workflowId, "ACTIVE");
  const early = await recover();
  narrator.detail(early.ok ? "recovered" : failureText(early.error));
  const attempts: number[] = [];
  for (let time = 0; time < 2; time += 1) {
    await stage.move(workflowId, "FAILED");
    const recovered = await recover();
    if (recovered.ok) attempts.push(recovered.value.event?.retryCount ?? 0);
    narrator.detail(recovered.ok ? `recovered: attempt ${attempts.at(-1)}` : failureText(recovered.error));
  }
  stage.shows("RecoverySessionValidity", "only what has failed is recovered, and each attempt is counted", [
    ...(wordOf(early) === "NOT_FAILED" ? [] : [`before it had failed: ${wordOf(early)}`]),
    ...(attempts.join() === "1,2" ? [] : [`attempts ${attempts.join(", ")}`]),
  ]);
}

async function killed(stage: Stage): Promise<void> {
  const { narrator, servers, clients, signal } = stage;
  narrator.line(
    `${workflowCount} workflows are moved, ${callerCount} at a time, and the workflow manager is killed in the middle.`,
  );
  const ids = Array.from({ length: workflowCount }, (_, index) => `job-${index}`);
  for (const id of ids) await stage.create(id);
  const acknowledged = new Map<string, { readonly requestId: string; readonly event: WorkflowEvent | undefined }>();
  let retries = 0;
  let killing: Promise<unknown> | undefined;
  const restart = async (): Promise<void> => {
    await servers.manager.end("SIGKILL");
    await servers.manager.start();
  };
  const left = [...ids];
  const work = async (): Promise<void> => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      if (left.length < workflowCount / 2) killing ??= restart();
      const requestId = randomUUID();
      const request = {
        workflowId: id,
        targetState: "WORKFLOW_STATE_ACTIVE",
        reason: "begun",
        requestedBy: "demo",
        requestId,
      } as const;
      const answer = await untilAnswered(
        (call) => clients.workflows.transitionWorkflow(request, call),
        signal,
        () => {
          retries += 1;
        },
      );
      if (!answer.ok) throw new Error(failureText(answer.error));
      acknowledged.set(id, { requestId, event: answer.value.event });
    }
  };
  await Promise.all(Array.from({ length: callerCount }, work));
  await killing;
  narrator.detail(`killed and started again; ${retries} calls had no answer, and were repeated with their request ids`);

  const events = await stage.events();
  const wrong: string[] = [];
  for (const [id, { event }] of acknowledged) {
    const own = events.filter(({ workflowId }) => workflowId === id);
    if (own.length !== 2) wrong.push(`${id} has ${own.length} events instead of 2`);
    if (own.at(-1)?.eventId !== event?.eventId) wrong.push(`${id}: the event that was acknowledged is not there`);
  }
  stage.shows("RecoveryCompleteness", "what was acknowledged survives kill -9, and nothing is done twice", wrong);

  const [repeated = ""] = ids;
  const { requestId = "", event } = acknowledged.get(repeated) ?? {};
  const again = await stage.move(repeated, "ACTIVE", { requestId, reason: "begun" });
  const isSame = again.ok && again.value.event?.eventId === event?.eventId;
  stage.shows("RetryHearsFirstAnswer", "a request from before the crash is answered as it was", isSame ? [] : [wordOf(again)]);
}
