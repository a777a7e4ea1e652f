import { untilAnswered } from "../../demo/retry.ts";
import type { Clients } from "../../src/cli/client.ts";
import { WorkflowState as WireState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import type { WorkflowState } from "../../src/kernel/lifecycle.ts";
import type { ClientFailure } from "../../src/rpc/errors.ts";
import type { Mapping } from "./mapping.ts";
import { planTrace, type Step } from "./plan.ts";
import type { Trace } from "./xes.ts";

/** What became of the events with one `lifecycle:transition`. */
export type Tally = { events: number; legal: number; unchanged: number; refused: number };

export type Report = {
  traces: number;
  events: number;
  instances: number;
  readonly byTransition: Map<string, Tally>;
  /** How often, and an example, by what was refused and why. */
  readonly refusals: Map<string, { count: number; example: string }>;
};

export type Replay = {
  readonly workflows: Clients["workflows"];
  readonly mapping: Mapping;
  /** Of the workflows' ids. The same log with the same prefix is the same replay: what was done before is not done again. */
  readonly prefix: string;
  readonly type: string;
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly onTrace: (report: Report) => void;
};

/** Drives a workflow for each execution of an activity through what the log says of it: traces beside each other, each in its order. */
export async function replay(traces: AsyncIterator<Trace>, options: Replay): Promise<Report> {
  const report: Report = { traces: 0, events: 0, instances: 0, byTransition: new Map(), refusals: new Map() };
  const work = async (): Promise<void> => {
    for (;;) {
      const { value: trace, done } = await traces.next();
      if (done) return;
      for (const step of planTrace(trace, options.mapping, options.prefix)) await take(trace, step, options, report);
      report.traces += 1;
      options.onTrace(report);
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, work));
  return report;
}

async function take(trace: Trace, step: Step, options: Replay, report: Report): Promise<void> {
  report.events += 1;
  const tally = report.byTransition.get(step.transition) ?? { events: 0, legal: 0, unchanged: 0, refused: 0 };
  report.byTransition.set(step.transition, tally);
  tally.events += 1;
  if (step.isFirst) {
    const refusal = await create(trace, step, options);
    if (refusal !== undefined) return refuse(report, tally, step, `not created: ${reasonOf(refusal)}`);
    report.instances += 1;
  }
  for (const [index, target] of step.targets.entries()) {
    const refusal = await move(trace, step, target, index, options);
    // The last of them is what the event says.
    if (refusal === undefined) tally.legal += index === step.targets.length - 1 ? 1 : 0;
    else if (refusal.metadata["from"] === target) tally.unchanged += 1;
    else return refuse(report, tally, step, refusalText(refusal, target));
  }
}

async function create(trace: Trace, step: Step, { workflows, prefix, type, signal }: Replay): Promise<ClientFailure | undefined> {
  const { instance, event } = step;
  const named = event.attributes.get("concept:instance");
  const request = {
    workflowId: instance.workflowId,
    type,
    metadata: { case: trace.name, activity: instance.activity, ...(named === undefined ? {} : { instance: named }) },
    requestedBy: actorOf(step),
    reason: "first heard of in the log",
    requestId: `${prefix}/${trace.number}/${event.number}/create`,
  };
  const answer = await untilAnswered((call) => workflows.createWorkflow(request, call), signal);
  return answer.ok ? undefined : answer.error;
}

async function move(
  trace: Trace,
  step: Step,
  target: WorkflowState,
  index: number,
  { workflows, prefix, signal }: Replay,
): Promise<ClientFailure | undefined> {
  const { event, instance, transition } = step;
  const time = event.attributes.get("time:timestamp");
  const request = {
    workflowId: instance.workflowId,
    targetState: WireState[target],
    requestedBy: actorOf(step),
    reason: `${transition} in the log`,
    eventMetadata: { transition, ...(time === undefined ? {} : { time }) },
    requestId: `${prefix}/${trace.number}/${event.number}/${index}`,
  };
  const answer = await untilAnswered((call) => workflows.transitionWorkflow(request, call), signal);
  return answer.ok ? undefined : answer.error;
}

/** Who has done it, if the log says so. */
const actorOf = ({ event }: Step): string => (event.attributes.get("org:resource") || "replay").slice(0, 200);

function refuse(report: Report, tally: Tally, { instance, transition }: Step, why: string): void {
  tally.refused += 1;
  const example = `${transition} of ${instance.workflowId}`;
  const known = report.refusals.get(why) ?? { count: 0, example };
  known.count += 1;
  // Not the first, which depends on who was faster: the same log, the same report.
  if (example < known.example) known.example = example;
  report.refusals.set(why, known);
}

/** What differs from workflow to workflow is left out, so that like is counted with like. */
function refusalText(failure: ClientFailure, target: WorkflowState): string {
  const { from, state } = failure.metadata;
  const where = from ?? state;
  const move = where === undefined ? `to ${target}` : `${where} to ${target}`;
  return `${reasonOf(failure)}: ${move}`;
}

const reasonOf = ({ reason, message }: ClientFailure): string => reason ?? message;
