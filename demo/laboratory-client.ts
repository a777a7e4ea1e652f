import type { Clients } from "../src/cli/client.ts";
import { type Workflow, type WorkflowEvent, WorkflowState } from "../src/gen/concord/workflow/v1/workflow.ts";
import { ok, type Result } from "../src/kernel/result.ts";
import type { DurationMs } from "../src/kernel/time.ts";
import { durationToWire } from "../src/rpc/duration.ts";
import type { ClientFailure } from "../src/rpc/errors.ts";
import { type CallOptions, untilAnswered } from "./retry.ts";
import type { Sample, Step } from "./scenario.ts";

/** How long a release waits for participants that are away, and then for their votes. A process is back from a kill well before. */
const patienceMs: DurationMs = 8_000;

/** A release that is aborted this often, one after another, is not a matter of luck. */
const abortCountMax = 50;

/** As it is acknowledged. From then on it must be in the history for ever. */
export type Change = { readonly workflow: Workflow; readonly event: WorkflowEvent };

export type Attempt = {
  /** The same in each repetition, and for nothing else: Concord then makes the change once, however often it is asked. */
  readonly requestId: string;
  /** Where the change starts: if somebody else was faster, it is refused. */
  readonly expectedVersion: bigint;
  /** For a release. Unset: as long as it takes to start a process. */
  readonly waitMs?: DurationMs;
};

type OnFailure = (failure: ClientFailure) => void;

/** The laboratory's own program. It keeps the books about what it was told, to compare them with Concord's history. */
export type LaboratoryClient = ReturnType<typeof createLaboratoryClient>;

export function createLaboratoryClient({ clients, signal }: { readonly clients: Clients; readonly signal: AbortSignal }) {
  const { workflows } = clients;
  /** The event of each acknowledgement, as it was told. Whoever asks twice is told twice. */
  const ledger: WorkflowEvent[] = [];
  const counts = { retries: 0, aborted: 0 };

  type Answer = { readonly workflow: Workflow | undefined; readonly event: WorkflowEvent | undefined };

  async function change(
    call: (options: CallOptions) => Promise<Answer>,
    onRetry?: OnFailure,
  ): Promise<Result<Change, ClientFailure>> {
    const answer = await untilAnswered(call, signal, (failure) => {
      counts.retries += 1;
      onRetry?.(failure);
    });
    if (!answer.ok) return answer;
    const { workflow, event } = answer.value;
    if (workflow === undefined || event === undefined) throw new Error("the server answered without workflow and event");
    ledger.push(event);
    return ok({ workflow, event });
  }

  function send(workflowId: string, step: Step, attempt: Attempt, options: CallOptions): Promise<Answer> {
    const { by: requestedBy, reason, context, eventMetadata } = step;
    const { requestId, expectedVersion, waitMs = patienceMs } = attempt;
    const request = { workflowId, requestedBy, reason, context, eventMetadata, requestId, expectedVersion };
    const move = { ...request, targetState: WorkflowState[step.to] };
    switch (step.verb) {
      case "move":
        return workflows.transitionWorkflow(move, options);
      case "recover":
        return workflows.recoverWorkflow(request, options);
      case "release": {
        // The move commits together with the reagent that was used up and with the instrument's record, or nothing happens.
        const work = (text: string): Buffer => Buffer.from(`${text} ${workflowId}`);
        const enlist = [
          { participantId: "inventory", payload: work("take the reagent of") },
          { participantId: "instrument", payload: work("archive the curve of") },
        ];
        const timing = { timeout: durationToWire(patienceMs), waitForParticipants: durationToWire(waitMs) };
        return workflows.transitionWorkflow({ ...move, enlist, ...timing }, options);
      }
    }
  }

  /** To a definite answer. What is refused has changed nothing. */
  function ask(workflowId: string, step: Step, attempt: Attempt, onRetry?: OnFailure) {
    return change((options) => send(workflowId, step, attempt, options), onRetry);
  }

  return {
    ledger,
    counts,
    ask,

    register({ id: workflowId, metadata }: Sample): Promise<Result<Change, ClientFailure>> {
      const request = {
        workflowId,
        type: "sample",
        metadata,
        reason: "registered",
        requestedBy: "reception",
        requestId: `${workflowId}/register`,
      };
      return change((options) => workflows.createWorkflow(request, options));
    },

    /** As `ask`; and while the transaction is aborted, a new one is tried. The old one has left nothing behind. */
    async askAgainIfAborted(workflowId: string, step: Step, attempt: Attempt): Promise<Result<Change, ClientFailure>> {
      for (let aborts = 1; ; aborts += 1) {
        const answer = await ask(workflowId, step, attempt);
        if (answer.ok || answer.error.reason !== "TRANSACTION_ABORTED" || aborts > abortCountMax) return answer;
        counts.aborted += 1;
      }
    },

    async look(workflowId: string): Promise<Workflow> {
      const answer = await untilAnswered((options) => workflows.getWorkflow({ workflowId }, options), signal);
      if (!answer.ok || answer.value.workflow === undefined) throw new Error(`${workflowId} cannot be read`);
      return answer.value.workflow;
    },
  };
}
