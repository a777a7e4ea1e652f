import type { ParticipantId } from "../kernel/ids.ts";
import type { Origin } from "../kernel/origin.ts";
import type { Span, Spans } from "../kernel/spans.ts";
import type { Decision, PendingPrepare } from "./core/messages.ts";
import type { Run } from "./run.ts";

/**
 * On whose behalf a message goes out. If a trace is written down, that is a span which lasts until the participant has answered, however often it
 * is asked.
 */
export function originOf(
  spans: Spans | undefined,
  run: Run,
  participantId: ParticipantId,
  message: PendingPrepare | Decision,
): Origin | undefined {
  const { origin, core } = run;
  if (spans === undefined || origin === undefined) return origin;
  const key = keyOf(message.type, participantId);
  let span = run.spans?.get(key);
  if (span === undefined) {
    const attributes = { "concord.transaction.id": core.id, "concord.participant.id": participantId };
    span = spans.start(names[message.type], { kind: "client", parent: origin, attributes });
    run.spans ??= new Map();
    run.spans.set(key, span);
  }
  return span.origin;
}

/** A part has answered a Prepare by its vote, or as the only one by its acknowledgement. */
export function endAnswered({ spans, view }: Run): void {
  if (spans === undefined || spans.size === 0) return;
  for (const { participantId, vote, acknowledgedAtMs, acknowledgedOutcome, lost } of view.parts) {
    if (vote !== undefined || acknowledgedAtMs !== undefined || view.outcome !== undefined)
      end(spans, keyOf("prepare", participantId), { "concord.vote": vote ?? acknowledgedOutcome ?? "none" });
    if (acknowledgedAtMs !== undefined || lost !== undefined)
      end(
        spans,
        keyOf("decision", participantId),
        { "concord.outcome": acknowledgedOutcome ?? view.outcome ?? "lost" },
        lost && "LOST",
      );
  }
}

/** The run is over: nobody hears of an answer any more. */
export function endAll({ spans }: Pick<Run, "spans">): void {
  for (const span of spans?.values() ?? []) span.end();
  spans?.clear();
}

function end(spans: Map<string, Span>, key: string, attributes: Readonly<Record<string, string>>, error?: string): void {
  spans.get(key)?.end({ attributes, error });
  spans.delete(key);
}

type Kind = (PendingPrepare | Decision)["type"];

const names = { prepare: "Prepare", decision: "Decision" } as const satisfies Record<Kind, string>;

const keyOf = (kind: Kind, participantId: ParticipantId): string => `${kind} ${participantId}`;
