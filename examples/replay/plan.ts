import { isMove, isTerminal, type WorkflowState } from "../../src/kernel/lifecycle.ts";
import type { Mapping } from "./mapping.ts";
import type { LogEvent, Trace } from "./xes.ts";

/** What an event of the log asks for. */
export type Step = {
  readonly event: LogEvent;
  readonly instance: Instance;
  /** The first that is heard of its activity: the workflow is created before. */
  readonly isFirst: boolean;
  /** Its `lifecycle:transition`, in lower case; what the mapping says of those without. Empty: it has none, and the mapping is silent. */
  readonly transition: string;
  /** In this order; none if the transition moves nothing. */
  readonly targets: readonly WorkflowState[];
};

/** One execution of an activity: a workflow. */
export type Instance = { readonly activity: string; readonly workflowId: string };

type Open = Instance & { readonly named: string | undefined; state: WorkflowState; hasBegun: boolean };

/**
 * Says of each event of a trace which workflow it belongs to and what it asks of it. `concept:instance` tells executions of one activity
 * apart. Where the log has none, an event belongs to the oldest execution that is not over and can make such a move; `schedule`, and a `start`
 * after which nothing waits, begin a new one.
 */
export function planTrace(trace: Trace, mapping: Mapping, prefix: string): readonly Step[] {
  const instances: Open[] = [];
  return trace.events.map((event) => {
    const transition = (event.attributes.get("lifecycle:transition") ?? mapping.missing ?? "").toLowerCase();
    const activity = event.attributes.get("concept:name") ?? "unnamed";
    const named = event.attributes.get("concept:instance");
    const target = mapping.moves[transition];
    const found = find(instances, { activity, named, transition, target });
    const instance = found ?? begin(instances, trace, activity, named, prefix);
    const before = target !== undefined && instance.state === "CREATED" && mapping.start_before.includes(transition);
    const targets: readonly WorkflowState[] = target === undefined ? [] : before ? ["ACTIVE", target] : [target];
    for (const to of targets) if (isMove(instance.state, to)) instance.state = to;
    instance.hasBegun ||= target !== undefined && transition !== "schedule";
    return { event, instance, isFirst: found === undefined, transition, targets };
  });
}

type Wanted = {
  readonly activity: string;
  readonly named: string | undefined;
  readonly transition: string;
  readonly target: WorkflowState | undefined;
};

function find(instances: readonly Open[], { activity, named, transition, target }: Wanted): Open | undefined {
  const ofActivity = instances.filter((each) => each.activity === activity && each.named === named);
  if (named !== undefined) return ofActivity[0];
  const open = ofActivity.filter(({ state }) => !isTerminal(state));
  if (transition === "schedule") return undefined;
  if (transition === "start") return open.find(({ hasBegun }) => !hasBegun);
  return open.find(({ state }) => target !== undefined && isMove(state, target)) ?? open[0];
}

function begin(instances: Open[], trace: Trace, activity: string, named: string | undefined, prefix: string): Open {
  const name = activity.replaceAll(/[^A-Za-z0-9._-]+/g, "-").slice(0, 60);
  const start = `${prefix}:${trace.number}:${name}`;
  const number = instances.filter(({ workflowId }) => workflowId.startsWith(`${start}:`)).length + 1;
  const begun: Open = { activity, named, workflowId: `${start}:${number}`, state: "CREATED", hasBegun: false };
  instances.push(begun);
  return begun;
}
