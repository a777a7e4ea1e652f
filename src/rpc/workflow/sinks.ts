import { fromJson, toBinary } from "@bufbuild/protobuf";
import { Status } from "nice-grpc-common";
import type { DeadLetter } from "../../events/ports.ts";
import type { ResetTarget, SinkStatus, Sinks, SinksError } from "../../events/sinks.ts";
import {
  type DeepPartial,
  ListDeadLettersResponse,
  ListSinksResponse,
  type ResetSinkRequest,
  type RetryDeadLettersRequest,
  SinkKind,
  SinkPosition,
  SinkState,
  DeadLetter as WireDeadLetter,
  Sink as WireSink,
} from "../../gen/concord/workflow/v1/sink.ts";
import { WorkflowEvent as WireWorkflowEvent } from "../../gen/concord/workflow/v1/workflow.ts";
import type { WorkflowServiceImplementation } from "../../gen/concord/workflow/v1/workflow_service.ts";
import { assert, unreachable } from "../../kernel/assert.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { Result } from "../../kernel/result.ts";
import { stretchOf } from "../../kernel/stretch.ts";
import type { Turns } from "../../kernel/turns.ts";
import type { RpcContext } from "../context.ts";
import { messageType, registry } from "../descriptors.ts";
import { durationToWire } from "../duration.ts";
import { encoded, listAnswer } from "../encoded-answer.ts";
import { invalidField, requestIdReused, rpcError, storageUnavailable } from "../errors.ts";
import { createReadPage } from "../list.ts";
import { sequencePlace } from "../page.ts";
import { requestKey } from "../request-key.ts";
import { eventsPurged } from "../workflow-errors.ts";

type Methods = Pick<
  WorkflowServiceImplementation<RpcContext>,
  "listSinks" | "resetSink" | "pauseSink" | "resumeSink" | "listDeadLetters" | "retryDeadLetters" | "discardDeadLetters"
>;

/** The RPCs about where events are published. `sinks`: undefined, if there are none and never were. */
export function createSinkHandlers(dependencies: {
  readonly sinks?: Sinks | undefined;
  readonly turns: Turns;
  readonly clock: Clock;
}): Methods {
  const readPage = createReadPage(dependencies);

  function sinksWith(sink: string): Sinks {
    if (dependencies.sinks !== undefined) return dependencies.sinks;
    throw sinksError({ type: "sink-not-found", sink, known: [] });
  }

  return {
    async listSinks(request, context) {
      const page = await readPage<SinkStatus>(
        {
          scope: "sinks",
          keyOf: ({ name }) => name,
          read: async (after = "", limit) => {
            const all = (await dependencies.sinks?.list()) ?? [];
            return stretchOf(all.filter(({ name }) => name > after).slice(0, limit), limit, ({ name }) => name);
          },
          matches: undefined,
          encode: (sink) => encoded(WireSink, sinkToWire(sink)),
        },
        request,
        context,
      );
      return listAnswer(ListSinksResponse, page.items, { nextPageToken: page.nextPageToken });
    },

    async resetSink(request, context) {
      const { sink, reason, requestedBy: by } = request;
      const { acrossPurged } = request;
      const key = requestKey("concord.workflow.v1.ResetSinkRequest", request, context);
      const command = { sink, to: targetOf(request), acrossPurged, request: key };
      const { cursorBefore, cursor } = valueOrThrow(await sinksWith(sink).reset(command));
      context.log.warn({ sink, cursorBefore, cursor, acrossPurged, by, reason }, "a sink is reset");
      return { cursorBefore: BigInt(cursorBefore), cursor: BigInt(cursor) };
    },

    async pauseSink(request, context) {
      const { sink, reason, requestedBy: by } = request;
      const { cursor } = valueOrThrow(
        await sinksWith(sink).pause({ sink, request: requestKey("concord.workflow.v1.PauseSinkRequest", request, context) }),
      );
      context.log.info({ sink, cursor, by, reason }, "a sink is paused");
      return { cursor: BigInt(cursor) };
    },

    async resumeSink(request, context) {
      const { sink, reason, requestedBy: by } = request;
      const { cursor } = valueOrThrow(
        await sinksWith(sink).resume({ sink, request: requestKey("concord.workflow.v1.ResumeSinkRequest", request, context) }),
      );
      context.log.info({ sink, cursor, by, reason }, "a sink is resumed");
      return { cursor: BigInt(cursor) };
    },

    async listDeadLetters(request, context) {
      const { sink } = request;
      valueOrThrow(await sinksWith(sink).find(sink));
      const page = await readPage<DeadLetter>(
        {
          scope: `dead letters/${sink}`,
          place: sequencePlace,
          keyOf: ({ event }) => String(event.sequence),
          read: (after, limit) => sinksWith(sink).deadLetters({ sink, afterSequence: Number(after ?? 0), limit }),
          matches: undefined,
          encode: (letter) => encoded(WireDeadLetter, deadLetterToWire(letter)),
        },
        request,
        context,
      );
      return listAnswer(ListDeadLettersResponse, page.items, { nextPageToken: page.nextPageToken });
    },

    async retryDeadLetters(request, context) {
      const { sink, reason, requestedBy: by } = request;
      const key = requestKey("concord.workflow.v1.RetryDeadLettersRequest", request, context);
      const command = { sink, range: rangeOf(request), signal: context.signal, request: key };
      const { done, remaining } = valueOrThrow(await sinksWith(sink).retry(command));
      context.log.info({ sink, published: done, remaining, by, reason }, "dead letters are tried again");
      return { published: done, remaining };
    },

    async discardDeadLetters(request, context) {
      const { sink, reason, requestedBy: by } = request;
      const key = requestKey("concord.workflow.v1.DiscardDeadLettersRequest", request, context);
      const range = rangeOf(request);
      const { done, remaining } = valueOrThrow(await sinksWith(sink).discard({ sink, range, request: key }));
      context.log.warn({ sink, ...range, discarded: done, remaining, by, reason }, "dead letters are discarded");
      return { discarded: done, remaining };
    },
  };
}

const rangeOf = ({ fromSequence, toSequence }: Pick<RetryDeadLettersRequest, "fromSequence" | "toSequence">) => ({
  from: Number(fromSequence),
  to: toSequence === 0n ? Number.MAX_SAFE_INTEGER : Number(toSequence),
});

function targetOf({ to }: ResetSinkRequest): ResetTarget {
  assert(to !== undefined, "the contract requires a place");
  if (to.$case === "afterSequence") return { after: Number(to.value) };
  return to.value === SinkPosition.NOW ? "now" : "oldest";
}

function valueOrThrow<T>(result: Result<T, SinksError>): T {
  if (result.ok) return result.value;
  throw sinksError(result.error);
}

/** The one table from the sinks' errors to what proto/concord/error/v1 promises. */
function sinksError(error: SinksError) {
  switch (error.type) {
    case "sink-not-found": {
      const { sink, known } = error;
      const others = known.length === 0 ? "the server has none (--sinks)" : `there are ${known.join(", ")}`;
      return rpcError({
        code: Status.NOT_FOUND,
        reason: "SINK_NOT_FOUND",
        message: `there is no sink "${sink}"; ${others}`,
        metadata: { sink, known: known.join(",") },
      });
    }
    case "sink-state": {
      const { sink, cause } = error;
      const state = error.state.toUpperCase();
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "SINK_STATE",
        message: `sink "${sink}" is ${state}: ${cause}`,
        metadata: { sink, state },
      });
    }
    case "beyond-newest":
      return invalidField("after_sequence", `is beyond the newest event, which has sequence ${error.newest}`);
    case "events-purged":
      return eventsPurged(
        error.oldest,
        "with across_purged, those that are kept are published; otherwise reset it to OLDEST_AVAILABLE",
      );
    case "request-id-reused":
      return requestIdReused(error.requestId);
    case "storage-unavailable":
      return storageUnavailable();
    default:
      return unreachable(error);
  }
}

const kinds = { nats: SinkKind.NATS, webhook: SinkKind.WEBHOOK } as const;

const states = {
  delivering: SinkState.DELIVERING,
  retrying: SinkState.RETRYING,
  paused: SinkState.PAUSED,
  compacted: SinkState.COMPACTED,
  diverged: SinkState.DIVERGED,
  blocked: SinkState.BLOCKED,
  unconfigured: SinkState.UNCONFIGURED,
} as const;

function sinkToWire({ name, kind, state, cursor, newest, lagMs, trouble, deadLetterCount }: SinkStatus): DeepPartial<WireSink> {
  return {
    name,
    kind: kinds[kind],
    state: states[state],
    cursor: BigInt(cursor),
    newest: BigInt(newest),
    lagEvents: BigInt(Math.max(0, newest - cursor)),
    lag: durationToWire(lagMs),
    lastError: trouble?.cause ?? "",
    lastErrorAt: trouble && new Date(trouble.atMs),
    deadLetters: deadLetterCount,
  };
}

const eventType = messageType("concord.workflow.v1.WorkflowEvent");

function deadLetterToWire({ sink, event, cause, tries, refusedAtMs }: DeadLetter): DeepPartial<WireDeadLetter> {
  const bytes = toBinary(eventType, fromJson(eventType, JSON.parse(event.data), { registry }));
  return {
    sink,
    sequence: BigInt(event.sequence),
    event: WireWorkflowEvent.decode(bytes),
    cause,
    tries,
    refusedAt: new Date(refusedAtMs),
  };
}
