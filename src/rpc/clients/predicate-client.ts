import { BrokenCircuitError, ConsecutiveBreaker, circuitBreaker, handleWhen } from "cockatiel";
import { type Channel, ClientError, Status } from "nice-grpc";
import {
  type BatchValidateTransitionsResponse,
  type DeepPartial,
  Judgement,
  PredicateLogicDefinition,
  type TransitionCheck,
  type TransitionVerdict,
} from "../../gen/concord/predicate/v1/predicate_logic.ts";
import { err, ok } from "../../kernel/result.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { PredicateCheck, PredicateClient, PredicateVerdict } from "../../workflow/ports.ts";
import { stateToWire, workflowToWire } from "../convert-workflow.ts";
import { clientFailure } from "../errors.ts";
import { clientFactory } from "./channel.ts";

/** Amortises the cost of a call; more would make the first of a batch wait for the last. */
const checksPerCallMax = 128;

/** One call is on the wire while the next one fills up; a few let a slow batch not delay all others. */
const callsUnderWayMax = 2;

/** So many failed calls in a row, and callers are answered at once instead of after the timeout. */
const failuresToOpen = 5;

/** Then one call tries again after this. */
const openMs = 500;

type Waiting = {
  readonly check: PredicateCheck;
  readonly settle: (answer: Awaited<ReturnType<PredicateClient["check"]>>) => void;
};

/**
 * Asks PredicateLogic over gRPC. What is asked while a call is under way goes into the next call, as one batch. A circuit breaker stops
 * asking an engine that does not answer, and finds out by itself when it is back. A check that takes long is asked alone.
 */
export function createPredicateClient(options: {
  readonly channel: Channel;
  readonly timeoutMs: DurationMs;
  readonly logger: Logger;
}): PredicateClient {
  const { logger, timeoutMs } = options;
  const client = clientFactory.create(PredicateLogicDefinition, options.channel);
  // A bad question says nothing about the engine.
  const isFailure = handleWhen((error) => !isAboutContent(error));
  const breaker = circuitBreaker(isFailure, { halfOpenAfter: openMs, breaker: new ConsecutiveBreaker(failuresToOpen) });
  breaker.onBreak(() => logger.warn({ failures: failuresToOpen }, "predicate engine unavailable: circuit opened"));
  breaker.onReset(() => logger.info("predicate engine is back: circuit closed"));

  let queue: Waiting[] = [];
  let callsUnderWay = 0;

  async function send(batch: readonly Waiting[]): Promise<void> {
    try {
      const { verdicts } = await breaker.execute(() => validate(batch));
      for (const [index, waiting] of batch.entries()) {
        if (verdicts[index]?.judgement === Judgement.DEFERRED) void askAlone(waiting);
        else waiting.settle(verdictFromWire(verdicts[index]));
      }
    } catch (error) {
      if (batch.length > 1 && isAboutContent(error)) {
        // One check spoils the batch. Alone, it fails alone.
        for (const waiting of batch) await send([waiting]);
        return;
      }
      const cause = describe(error);
      logger.debug({ cause, checks: batch.length }, "predicate engine did not answer");
      for (const { settle } of batch) settle(err({ type: "unavailable", cause }));
    }
  }

  function validate(batch: readonly Waiting[]): Promise<BatchValidateTransitionsResponse> {
    const checks = batch.map(({ check }) => checkToWire(check));
    return client.batchValidateTransitions({ checks, promptOnly: true }, { deadline: timeoutMs });
  }

  /** Its rules take long. That nobody else waits for it also means that its failure says nothing about the engine. */
  async function askAlone({ check, settle }: Waiting): Promise<void> {
    try {
      const { verdict } = await client.validateTransition({ check: checkToWire(check) }, { deadline: timeoutMs });
      settle(verdictFromWire(verdict));
    } catch (error) {
      const cause = describe(error);
      logger.debug({ cause }, "predicate engine did not answer a check that takes long");
      settle(err({ type: "unavailable", cause }));
    }
  }

  function flush(): void {
    while (queue.length > 0 && callsUnderWay < callsUnderWayMax) {
      const batch = queue.slice(0, checksPerCallMax);
      queue = queue.slice(checksPerCallMax);
      callsUnderWay += 1;
      void send(batch).finally(() => {
        callsUnderWay -= 1;
        flush();
      });
    }
  }

  return {
    check: (check) =>
      new Promise((settle) => {
        queue.push({ check, settle });
        // Requests that arrive in one turn of the event loop go into one call.
        if (queue.length === 1) setImmediate(flush);
      }),
  };
}

function checkToWire(check: PredicateCheck): DeepPartial<TransitionCheck> {
  return {
    workflow: workflowToWire(check.workflow),
    targetState: stateToWire(check.targetState),
    reason: check.reason,
    requestedBy: check.requestedBy,
    context: check.context,
    at: new Date(check.atMs),
  };
}

function verdictFromWire(verdict: TransitionVerdict | undefined) {
  const ruleSetRevision = Number(verdict?.ruleSetRevision);
  switch (verdict?.judgement) {
    case Judgement.ALLOWED:
      return ok<PredicateVerdict>({ type: "allowed", ruleSetRevision });
    case Judgement.INVALID_TRANSITION:
      return ok<PredicateVerdict>({ type: "invalid-transition", ruleSetRevision });
    case Judgement.RULE_DENIED:
      return ok<PredicateVerdict>({ type: "rule-denied", ruleSetRevision, violations: verdict.violations });
    default:
      // An engine that answers what this client does not understand has not consented.
      return err({ type: "unavailable", cause: "the answer has no known judgement" } as const);
  }
}

/** Refused, or larger than a message may be. An overloaded engine is no such thing: asking it more often would make it worse. */
function isAboutContent(error: unknown): boolean {
  if (!(error instanceof ClientError)) return false;
  if (error.code === Status.RESOURCE_EXHAUSTED) return clientFailure(error).reason !== "OVERLOADED";
  return error.code === Status.INVALID_ARGUMENT;
}

function describe(error: unknown): string {
  if (error instanceof BrokenCircuitError) return "circuit open";
  return error instanceof Error ? error.message : String(error);
}
