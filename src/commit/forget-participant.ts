import type { ParticipantId } from "../kernel/ids.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type CoordinatorEnd, promiseOrEnd } from "./ends.ts";
import { owedBy } from "./owed.ts";
import type { KnownParticipant } from "./sessions.ts";
import type { Shell } from "./shell.ts";

/** Why a participant stays known, one reason or more. */
export type ParticipantKept = {
  readonly type: "participant-kept";
  readonly participantId: ParticipantId;
  readonly because: readonly {
    readonly type: "CONNECTED" | "UNACKNOWLEDGED" | "UNDECIDED" | "RECOVERING";
    readonly description: string;
  }[];
};

type ForgetFailure =
  | ParticipantKept
  | CoordinatorEnd
  | { readonly type: "storage-unavailable"; readonly transactionId: undefined };

/**
 * Drops what is known of a participant that is away: its row in the log, and when it was seen. Its session epoch begins anew with the next
 * Hello, which is safe: it tells apart sessions that are open at the same time, and there is none. Nothing that it could ask about is dropped.
 * Resolves to what it was; to nothing, if it was not known.
 */
export async function forgetParticipant(
  shell: Shell,
  participantId: ParticipantId,
): Promise<Result<KnownParticipant | undefined, ForgetFailure>> {
  const { ownership, sessions, logger } = shell;
  const { reason: end } = ownership.ended;
  if (end) return err(end);
  const known = await sessions.find(participantId);
  const kept = whyKept(shell, participantId, known);
  if (kept.length > 0) return err({ type: "participant-kept", participantId, because: kept });
  if (!known) return ok(undefined);
  // One that says Hello meanwhile stays.
  const forgotten = await promiseOrEnd(ownership.ended, sessions.forget([participantId], known.connectedAtMs + 1));
  if (!("ok" in forgotten)) return err(forgotten);
  if (!forgotten.ok && forgotten.error.type === "conflict") {
    ownership.fence(forgotten.error.conflict);
    return err(forgotten.error.conflict);
  }
  if (!forgotten.ok) return err({ type: "storage-unavailable", transactionId: undefined });
  logger.warn({ participant: participantId, sessionEpoch: known.sessionEpoch }, "participant forgotten");
  return ok(known);
}

function whyKept({ runs }: Shell, participantId: ParticipantId, known: KnownParticipant | undefined): ParticipantKept["because"] {
  const { unacknowledged } = owedBy(runs.owed, participantId);
  const isUndecided = [...(runs.byParticipant.get(participantId) ?? [])].some(({ view }) => view.outcome === undefined);
  return [
    ...(known?.connected ? [{ type: "CONNECTED", description: "it is in session" } as const] : []),
    ...(unacknowledged > 0
      ? [{ type: "UNACKNOWLEDGED", description: `it has not acknowledged ${unacknowledged} decisions` } as const]
      : []),
    ...(isUndecided ? [{ type: "UNDECIDED", description: "it takes part in what is not decided" } as const] : []),
    ...(runs.areAll
      ? []
      : [{ type: "RECOVERING", description: "what was unfinished at the start is still being taken over" } as const]),
  ];
}
