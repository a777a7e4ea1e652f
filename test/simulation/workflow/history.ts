import type { WorkflowState } from "../../../src/kernel/lifecycle.ts";
import type { WorkflowEvent } from "../../../src/workflow/core/types.ts";
import { type Call, whyNot } from "../../support/linearizable.ts";
import { timer } from "./change-checks.ts";
import type { Heard, Request } from "./clients.ts";
import { type Input, type Output, sequentialModel } from "./model.ts";
import type { Answer } from "./verbs.ts";

/** One call of one request. Its places are in the order of all that happened. */
type Asked = { readonly request: Request; readonly calledAt: number; answeredAt: number; heard: Heard };

/** What clients asked and heard, to be held against a single thread that would have done it all. */
export type History = {
  asked(request: Request): number;
  heard(call: number, heard: Heard): void;
  /** What the manager does by itself, when it is durable: deadlines and purges. */
  onEvents(events: readonly WorkflowEvent[]): void;
  onPurge(ids: readonly string[]): void;
  /** Why there is no order in which one client alone would have heard the same. Nothing, if there is one. */
  whyNotLinearizable(): string | undefined;
  requestOf(call: number): Request | undefined;
};

/** So many calls of which nobody knows whether they were made are tried at every place. Of more, the log says when they were. */
const unknownCountMax = 8;

export function createHistory(): History {
  const calls: Asked[] = [];
  const own: Call<Input, Output>[] = [];
  /** When the change of a request became durable. */
  const madeAt = new Map<string, number>();
  /** The deadlines that it has set: by itself, or by the policy of the type, which the model does not know. */
  const deadlines = new Map<string, Map<string, WorkflowState | undefined>>();
  let moment = 0;

  const nextMoment = (): number => {
    moment += 1;
    return moment;
  };

  /** Of the system itself: at that moment. */
  function record(input: Input, output: Output): void {
    const at = nextMoment();
    own.push({ input, output, calledAt: at, answeredAt: at });
  }

  const asking = (request: Request, hint: string | undefined): Input => ({
    ...{ type: "ask", request, hint },
    deadlines: Object.fromEntries(deadlines.get(request.by) ?? []),
  });

  /**
   * A request that was carried out, and not surely while a call of it waited for this answer: another call of it, or a repetition on the way,
   * may have been the one.
   */
  function unanswered(): readonly Call<Input, Output>[] {
    const first = new Map<string, Asked>();
    for (const call of calls) if (!first.has(call.request.by)) first.set(call.request.by, call);
    return [...first.values()].flatMap(({ request, calledAt, heard }) => {
      const isDoneByIt =
        heard !== "unknown" && "answer" in heard && !(heard.answer.items ?? []).some((item) => !item.startsWith("OK"));
      if (!madeAt.has(request.by) || isDoneByIt) return [];
      return [{ input: asking(request, undefined), output: undefined, calledAt, answeredAt: Number.POSITIVE_INFINITY }];
    });
  }

  function answered({ request, calledAt, answeredAt, heard }: Asked): readonly Call<Input, Output>[] {
    if (heard === "unknown") return [];
    const call = (input: Input, output: Output): Call<Input, Output> => ({ input, output, calledAt, answeredAt });
    if ("refused" in heard) {
      if (passing.has(heard.refused) || request.verb.type === "batch") return [];
      return [call(asking(request, heard.refused), heard.refused)];
    }
    const { verb } = request;
    if (verb.type === "purge" || verb.type === "count") return [];
    if (verb.type === "batch") return answeredBatch(request, heard.answer, call);
    if (verb.type === "list") {
      return [call({ type: "list", shown: heard.answer.shown }, "listed")];
    }
    const [shown] = heard.answer.shown;
    return shown === undefined ? [] : [call(asking(request, "OK"), `OK ${shown.state} ${shown.version} ${shown.retries}`)];
  }

  /** One that was refused has looked at its workflows one after the other. */
  function answeredBatch(
    request: Request,
    { items = [] }: Answer,
    call: (input: Input, output: Output) => Call<Input, Output>,
  ): readonly Call<Input, Output>[] {
    if (request.verb.type !== "batch") return [];
    if (items.every((item) => item.startsWith("OK"))) return [call(asking(request, "OK"), items.join("; "))];
    return request.verb.items.flatMap((item, index) => {
      const heard = items[index] ?? "";
      if (heard === "BATCH_ABORTED" || passing.has(heard)) return [];
      return [call({ type: "look", item, hint: heard }, heard)];
    });
  }

  return {
    asked(request) {
      calls.push({ request, calledAt: nextMoment(), answeredAt: Number.POSITIVE_INFINITY, heard: "unknown" });
      return calls.length - 1;
    },
    heard(call, heard) {
      const asked = calls[call];
      if (asked) Object.assign(asked, { heard, answeredAt: nextMoment() });
    },
    onEvents(events) {
      const at = nextMoment();
      for (const event of events) {
        const { requestedBy: by, workflowId, deadline, toState, version, retryCount, bulkOperationId } = event;
        madeAt.set(by, at);
        deadlines.set(by, (deadlines.get(by) ?? new Map()).set(workflowId, deadline?.targetState));
        const heard = `OK ${toState} ${version} ${retryCount}`;
        if (by === timer) record({ type: "fire", event }, heard);
        else if (bulkOperationId !== undefined) record({ type: "bulk", event }, heard);
      }
    },
    onPurge: (ids) => record({ type: "purge", ids }, "purged"),
    requestOf: (call) => calls[call]?.request,
    whyNotLinearizable() {
      const all = [...calls.flatMap(answered), ...unanswered(), ...own];
      for (const part of parts(all)) {
        const lost = part.filter(({ output }) => output === undefined);
        const pinned = lost.length <= unknownCountMax ? part : part.map((each) => pin(each, madeAt));
        const why = whyNot(sequentialModel, pinned);
        if (why !== undefined) return why;
      }
      return undefined;
    },
  };
}

/** Nothing was done, or nobody says so. */
const passing: ReadonlySet<string> = new Set([
  ...["IN_TRANSITION", "PREDICATE_LOGIC_UNAVAILABLE", "OVERLOADED", "TRANSACTION_ABORTED", "COORDINATOR_UNAVAILABLE"],
  ...["STORAGE_UNAVAILABLE", "OUTCOME_PENDING"],
]);

function pin(call: Call<Input, Output>, madeAt: ReadonlyMap<string, number>): Call<Input, Output> {
  const at = call.output === undefined && call.input.type === "ask" ? madeAt.get(call.input.request.by) : undefined;
  return at === undefined ? call : { ...call, answeredAt: at };
}

/** The workflows that a call is about. */
function idsOf(input: Input): readonly string[] {
  if (input.type === "ask") {
    const { verb } = input.request;
    return verb.type === "batch" ? verb.items.map(({ id }) => id) : "id" in verb ? [verb.id] : [];
  }
  return "event" in input ? [input.event.workflowId] : input.type === "look" ? [input.item.id] : [];
}

/** Workflows that no call names together have a history each. What looks at all of them looks at each. */
function parts(calls: readonly Call<Input, Output>[]): readonly (readonly Call<Input, Output>[])[] {
  const root = new Map<string, string>();
  const find = (id: string): string => {
    const up = root.get(id);
    if (up === undefined || up === id) return id;
    const top = find(up);
    root.set(id, top);
    return top;
  };
  for (const { input } of calls) {
    const [first, ...others] = idsOf(input);
    if (first === undefined) continue;
    root.set(first, find(first));
    for (const other of others) root.set(find(other), find(first));
  }
  const byRoot = new Map<string, Set<string>>();
  for (const id of root.keys()) byRoot.set(find(id), (byRoot.get(find(id)) ?? new Set()).add(id));
  return [...byRoot.values()].map((ids) =>
    calls.flatMap((call) => {
      const { input } = call;
      if (input.type === "list") return [{ ...call, input: { ...input, among: [...ids] } }];
      if (input.type === "purge") {
        const gone = input.ids.filter((id) => ids.has(id));
        return gone.length === 0 ? [] : [{ ...call, input: { ...input, ids: gone } }];
      }
      return idsOf(input).some((id) => ids.has(id)) ? [call] : [];
    }),
  );
}
