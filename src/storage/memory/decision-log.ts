import { randomUUID } from "node:crypto";
import { type Claim, claimCountMax } from "../../commit/core/claim.ts";
import { checkTransaction } from "../../commit/core/invariants.ts";
import { finishedAtMs, isFinished, type Transaction } from "../../commit/core/types.ts";
import type { DecisionLog, Fenced, ParticipantSession } from "../../commit/ports.ts";
import type { Timeline } from "../../commit/timeline.ts";
import { isInScope, nearer } from "../../commit/transaction-scope.ts";
import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import { compare } from "../../kernel/range.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { TimeMs } from "../../kernel/time.ts";
import type { WriteFailure } from "../../kernel/write.ts";

/** For tests. Outlives the coordinators that are put on it, as a file would. */
export function createMemoryDecisionLog(nowMs: () => TimeMs = Date.now, newClaimId: () => string = randomUUID): DecisionLog {
  const transactions = new Map<TransactionId, Transaction>();
  const payloads = new Map<TransactionId, Uint8Array>();
  const timelines = new Map<TransactionId, Timeline>();
  const sessions = new Map<ParticipantId, ParticipantSession>();
  let coordinatorId: string | undefined;
  let epoch = 0;
  let claims: readonly Claim[] = [];
  let closed = false;

  async function write<T>(writerEpoch: number, apply: () => T): Promise<Result<T, WriteFailure<Fenced>>> {
    if (closed) return err({ type: "storage-unavailable", cause: "closed", outcomeUnknown: false });
    if (writerEpoch !== epoch) return err({ type: "conflict", conflict: { type: "fenced", coordinatorEpoch: epoch } });
    return ok(apply());
  }

  const put = (transaction: Transaction, timeline?: Timeline): Promise<Result<void, WriteFailure<Fenced>>> =>
    write(transaction.coordinatorEpoch, () => {
      checkTransaction(transaction);
      const { id, outcome, parts } = transaction;
      const payload = parts[0]?.payload;
      if (outcome !== undefined) payloads.delete(id);
      else if (payload) payloads.set(id, payload);
      transactions.set(id, { ...transaction, parts: parts.map((part) => ({ ...part, connected: false, payload: undefined })) });
      if (timeline) timelines.set(transaction.id, timeline);
    });

  const newestFirst = (): Transaction[] => [...transactions.values()].sort((a, b) => compare(b.id, a.id));

  return {
    writable: true,
    onWritableChange: () => () => {},
    keptBeforeMs: (retentionMs) => nowMs() - retentionMs,
    claim: (newCoordinatorId) =>
      write(epoch, () => {
        coordinatorId ??= newCoordinatorId;
        epoch += 1;
        claims = [{ epoch, id: newClaimId() }, ...claims].slice(0, claimCountMax);
        return { coordinatorId, coordinatorEpoch: epoch, claims };
      }),
    newestEpoch: async () => epoch,
    force: put,
    record: put,
    openSession: (session, coordinatorEpoch) =>
      write(coordinatorEpoch, () => {
        const opened = { ...session, sessionEpoch: (sessions.get(session.participantId)?.sessionEpoch ?? 0) + 1 };
        sessions.set(session.participantId, opened);
        return opened;
      }),
    get: async (id) => transactions.get(id),
    payload: async (id) => payloads.get(id) ?? new Uint8Array(),
    newestId: async () => newestFirst()[0]?.id,
    async list({ beforeId, limit, scope = {} }) {
      const before = nearer(beforeId, scope.beforeId);
      const following = newestFirst().filter(({ id }) => before === undefined || id < before);
      const seen = following.slice(0, limit);
      return {
        transactions: seen.filter((each) => isInScope(scope, each)),
        nextBeforeId: following.length > limit ? seen.at(-1)?.id : undefined,
      };
    },
    timeline: async (id) => timelines.get(id),
    unfinished: async ({ afterId = "", limit }) =>
      [...transactions.values()]
        .filter((transaction) => !isFinished(transaction) && transaction.id > afterId)
        .map(({ id }) => id)
        .sort()
        .slice(0, limit),
    byRequest: async (id) => newestFirst().find(({ request, outcome }) => request?.id === id && outcome !== "aborted"),
    participant: async (id) => sessions.get(id),
    participants: async ({ afterId, limit }) =>
      [...sessions.values()]
        .sort((a, b) => compare(a.participantId, b.participantId))
        .filter(({ participantId }) => afterId === undefined || participantId > afterId)
        .slice(0, limit),
    forgetParticipants: ({ participantIds, connectedBeforeMs }, coordinatorEpoch) =>
      write(coordinatorEpoch, () => {
        for (const participantId of participantIds) {
          if ((sessions.get(participantId)?.connectedAtMs ?? Infinity) < connectedBeforeMs) sessions.delete(participantId);
        }
      }),
    forget: (id, coordinatorEpoch) =>
      write(coordinatorEpoch, () => {
        transactions.delete(id);
        timelines.delete(id);
      }),
    purge: ({ completedBeforeMs, limit }, coordinatorEpoch) =>
      write(coordinatorEpoch, () => {
        const old = [...transactions.values()].filter((each) => (finishedAtMs(each) ?? Infinity) < completedBeforeMs);
        for (const { id } of old.slice(0, limit)) {
          transactions.delete(id);
          timelines.delete(id);
        }
        return Math.min(old.length, limit);
      }),
    close: async () => {
      closed = true;
    },
  };
}
