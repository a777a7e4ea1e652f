import { isParticipantIn, maySayHello, type ParticipantScope } from "../access/core/policy.ts";
import type { Enlistment } from "../commit/core/coordinator-step.ts";
import type { Unreadable } from "../commit/core/messages.ts";
import type { Transaction } from "../commit/core/types.ts";
import type { Driver } from "../commit/driver.ts";
import { messageBytes } from "../commit/footprint.ts";
import { idleTimeoutMs, prepareTimeoutMs, reasonLengthMax } from "../commit/limits.ts";
import type { KnownParticipant, Session, Sessions } from "../commit/sessions.ts";
import type { Asked, VerbFailure } from "../commit/verbs.ts";
import type { WatchAllEnd, WatchAllMessage } from "../commit/watches.ts";
import * as wire from "../gen/concord/commit/v1/transaction.ts";
import {
  ListParticipantsResponse,
  ListTransactionsResponse,
  type ParticipateRequest,
  type TwoPhaseCommitServiceImplementation,
} from "../gen/concord/commit/v1/two_phase_commit.ts";
import type { Clock } from "../kernel/clock.ts";
import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import { progressIntervalMs } from "../kernel/limits.ts";
import { keptOrigin } from "../kernel/origin.ts";
import { provedBy } from "../kernel/principal.ts";
import type { Result } from "../kernel/result.ts";
import { stretchOf } from "../kernel/stretch.ts";
import { firstCharacters } from "../kernel/text.ts";
import type { Breathe, Turns } from "../kernel/turns.ts";
import { addressOf } from "./address.ts";
import { burstsOf, inBursts, together } from "./bursts.ts";
import { participantKept, streamError, verbError, watchTooSlow } from "./commit-errors.ts";
import type { RpcContext } from "./context.ts";
import {
  coordinatorMessageToWire,
  outcomeFromWire,
  participantMessageFromWire,
  participantToWire,
  timelineEntryToWire,
  transactionToWire,
} from "./convert-transaction.ts";
import { durationMs } from "./duration.ts";
import { encoded, listAnswer } from "./encoded-answer.ts";
import { invalidField, permissionDenied, violationText } from "./errors.ts";
import { createReadPage } from "./list.ts";
import { withPatience } from "./patience.ts";
import { checkParticipants } from "./permission.ts";
import { requestKey } from "./request-key.ts";
import { maySee, transactionFilter } from "./transaction-filter.ts";
import { tellTransaction } from "./transaction-header.ts";
import { InvalidMessage } from "./validation.ts";

export function createCommitService(dependencies: {
  readonly driver: Driver;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly turns: Turns;
  /** For what participants say, which does not wait behind lists. */
  readonly messageTurns: Turns;
}): TwoPhaseCommitServiceImplementation<RpcContext> {
  const { driver, sessions, clock, messageTurns } = dependencies;
  const readPage = createReadPage(dependencies);

  function answerOf(
    result: Result<Transaction, VerbFailure>,
    call: { readonly transactionId?: string; readonly requestId: string },
  ) {
    if (!result.ok) throw verbError(result.error, call);
    return { transaction: transactionToWire(result.value, driver.coordinator) };
  }

  async function find(transactionId: string, context: RpcContext): Promise<Transaction> {
    const found = await driver.get(transactionId as TransactionId);
    if (!found.ok) throw verbError(found.error, { transactionId, requestId: "" });
    if (!maySee(context, found.value)) throw verbError({ type: "not-found" }, { transactionId, requestId: "" });
    return found.value;
  }

  /** Of a verb about a transaction of others it is told that there is none. Whoever may act upon all of them need not look. */
  async function checkTransaction(transactionId: string, context: RpcContext): Promise<void> {
    if (context.permission.transactionsOf !== "all") await find(transactionId, context);
  }

  /** One that its caller leaves, or that is over, ends without an error. */
  async function* toldUntilItEnds<Message, Told>(
    messages: AsyncGenerator<Message, WatchAllEnd | VerbFailure>,
    toWire: (message: Message) => Told,
    transactionId: string,
  ) {
    try {
      let next = await messages.next();
      for (; !next.done; next = await messages.next()) yield toWire(next.value);
      const { value: end } = next;
      if (end.type === "too-slow") throw watchTooSlow();
      if (end.type !== "over" && end.type !== "caller-left") throw verbError(end, { transactionId, requestId: "" });
    } finally {
      // The client may leave while a message is under way to it.
      await messages.return({ type: "caller-left" });
    }
  }

  const watchMessageToWire = (message: WatchAllMessage) =>
    message.type === "transaction"
      ? ({ body: { $case: "transaction", value: transactionToWire(message.transaction, driver.coordinator) } } as const)
      : ({
          body: { $case: "progress", value: message.asOfMs === undefined ? {} : { asOf: new Date(message.asOfMs) } },
        } as const);

  return {
    async *participate(requests, context) {
      const session = sessions.open(context.peer);
      const disconnect = (): void => session.disconnect();
      context.signal.addEventListener("abort", disconnect, { once: true });
      let defect: unknown;
      const mayOpen = (id: string): boolean => {
        const may = maySayHello(context.permission, id);
        // What becomes of the other ids that it is granted does not concern it.
        if (may) context.needs({ ...context.permission, participants: [id], transactionsOf: [] });
        return may;
      };
      void consume(requests, session, messageTurns(), mayOpen, (error) => {
        defect = error;
      });
      try {
        for await (const burst of inBursts(session.outgoing, messageBytes)) yield together(burst.map(coordinatorMessageToWire));
        if (defect !== undefined) throw defect;
        const { end } = session;
        if (end && end.reason !== "CLOSED") throw streamError(end);
      } finally {
        context.signal.removeEventListener("abort", disconnect);
        session.disconnect();
      }
    },

    async executeTransaction(request, context) {
      checkParticipants(
        context,
        request.participants.map(({ participantId }) => participantId),
      );
      return withPatience(context, clock, Infinity, async ({ signal, leftMs }) => {
        const transaction = {
          enlistments: request.participants.map(enlistmentOf),
          prepareTimeoutMs: Math.min(durationMs(request.prepareTimeout) ?? prepareTimeoutMs, leftMs),
          waitForParticipantsMs: Math.min(durationMs(request.waitForParticipants) ?? 0, leftMs),
          request: requestKey("concord.commit.v1.ExecuteTransactionRequest", request, context),
          reason: request.reason,
          requestedBy: request.requestedBy,
          ...provedBy(context.principal),
          address: addressOf(context.peer),
          origin: keptOrigin(context.origin),
        };
        return answerOf(await driver.execute(transaction, signal, (id) => tellTransaction(context, id)), request);
      });
    },

    async beginTransaction(request, context) {
      const begun = await driver.begin({
        prepareTimeoutMs: durationMs(request.prepareTimeout) ?? prepareTimeoutMs,
        waitForParticipantsMs: durationMs(request.waitForParticipants) ?? 0,
        idleTimeoutMs: durationMs(request.idleTimeout) ?? idleTimeoutMs,
        request: requestKey("concord.commit.v1.BeginTransactionRequest", request, context),
        reason: request.reason,
        requestedBy: request.requestedBy,
        ...provedBy(context.principal),
        address: addressOf(context.peer),
        origin: keptOrigin(context.origin),
      });
      return answerOf(begun, request);
    },

    async enlistParticipant(request, context) {
      const { participant } = request;
      if (participant === undefined) throw invalidField("participant", "value is required");
      checkParticipants(context, [participant.participantId]);
      await checkTransaction(request.transactionId, context);
      const asked = askedOf("concord.commit.v1.EnlistParticipantRequest", request, context);
      return answerOf(await driver.enlist(request.transactionId as TransactionId, enlistmentOf(participant), asked), request);
    },

    async commitTransaction(request, context) {
      await checkTransaction(request.transactionId, context);
      const asked = askedOf("concord.commit.v1.CommitTransactionRequest", request, context);
      return withPatience(context, clock, Infinity, async ({ signal }) =>
        answerOf(await driver.commit(request.transactionId as TransactionId, asked, signal), request),
      );
    },

    async abortTransaction(request, context) {
      await checkTransaction(request.transactionId, context);
      return answerOf(
        await driver.abort(
          request.transactionId as TransactionId,
          askedOf("concord.commit.v1.AbortTransactionRequest", request, context),
        ),
        request,
      );
    },

    async retryTransaction(request, context) {
      await checkTransaction(request.transactionId, context);
      return answerOf(
        await driver.retry(
          request.transactionId as TransactionId,
          askedOf("concord.commit.v1.RetryTransactionRequest", request, context),
        ),
        request,
      );
    },

    async resolveTransaction(request, context) {
      await checkTransaction(request.transactionId, context);
      const outcome = outcomeFromWire(request.outcome);
      return answerOf(
        await driver.resolve(
          request.transactionId as TransactionId,
          outcome,
          askedOf("concord.commit.v1.ResolveTransactionRequest", request, context),
        ),
        request,
      );
    },

    async forgetTransaction(request, context) {
      await checkTransaction(request.transactionId, context);
      return answerOf(
        await driver.forget(
          request.transactionId as TransactionId,
          askedOf("concord.commit.v1.ForgetTransactionRequest", request, context),
        ),
        request,
      );
    },

    async forgetParticipant(request, context) {
      checkParticipants(context, [request.participantId]);
      const participantId = request.participantId as ParticipantId;
      const asked = askedOf("concord.commit.v1.ForgetParticipantRequest", request, context);
      const forgotten = await driver.forgetParticipant(participantId, asked);
      if (!forgotten.ok) {
        throw forgotten.error.type === "participant-kept"
          ? participantKept(forgotten.error)
          : verbError(forgotten.error, request);
      }
      const known = forgotten.value;
      return { participant: known && participantToWire(known, driver.owed(participantId)) };
    },

    async getTransaction({ transactionId }, context) {
      const transaction = await find(transactionId, context);
      const { entries, omitted } = await driver.timeline(transactionId as TransactionId);
      return {
        transaction: transactionToWire(transaction, driver.coordinator),
        timeline: entries.map(timelineEntryToWire),
        timelineOmitted: omitted,
      };
    },

    async listTransactions(request, context) {
      const filter = transactionFilter(request.filter, clock.nowMs, context);
      const page = await readPage<Transaction>(
        {
          scope: `transactions/${viewKey(context)}${request.filter}`,
          keyOf: ({ id }) => id,
          read: async (after, limit) => {
            const beforeId = after as TransactionId | undefined;
            const { transactions: rows, nextBeforeId: upTo } = await driver.list({ beforeId, limit, scope: filter?.known });
            return { rows, upTo, looked: filter ? limit : rows.length };
          },
          matches: filter?.matches,
          encode: (transaction) => encoded(wire.Transaction, transactionToWire(transaction, driver.coordinator)),
        },
        request,
        context,
      );
      return listAnswer(ListTransactionsResponse, page.items, { nextPageToken: page.nextPageToken });
    },

    async *watchTransaction({ transactionId }, context) {
      await checkTransaction(transactionId, context);
      const changes = driver.watch(transactionId as TransactionId, context.signal);
      yield* toldUntilItEnds(
        changes,
        (transaction) => ({ transaction: transactionToWire(transaction, driver.coordinator) }),
        transactionId,
      );
    },

    watchTransactions(request, context) {
      const filter = transactionFilter(request.filter, clock.nowMs, context);
      const messages = driver.watchAll({
        wanted: filter && { text: `${viewKey(context)}${request.filter}`, matches: filter.matches },
        progressIntervalMs: durationMs(request.progressInterval) ?? progressIntervalMs,
        signal: context.signal,
      });
      return toldUntilItEnds(messages, watchMessageToWire, "");
    },

    async listParticipants(request, context) {
      const { participants } = context.permission;
      const page = await readPage<KnownParticipant>(
        {
          scope: `participants${participantsKey(participants)}`,
          keyOf: ({ participantId }) => participantId,
          read: async (after, limit) => {
            const rows = await sessions.list({ afterId: after as ParticipantId | undefined, limit });
            return stretchOf(rows, limit, ({ participantId }) => participantId);
          },
          matches: ({ participantId }) => isParticipantIn(participants, participantId),
          encode: (participant) =>
            encoded(wire.Participant, participantToWire(participant, driver.owed(participant.participantId))),
        },
        request,
        context,
      );
      return listAnswer(ListParticipantsResponse, page.items, { nextPageToken: page.nextPageToken });
    },
  };
}

/** Reads the stream beside the generator that writes it. A message that breaks a rule is refused; the stream goes on. */
async function consume(
  requests: AsyncIterable<ParticipateRequest | InvalidMessage>,
  session: Session,
  breathe: Breathe,
  mayOpen: (participantId: string) => boolean,
  onDefect: (error: unknown) => void,
): Promise<void> {
  let sequence = 0;

  async function hear(request: ParticipateRequest | InvalidMessage): Promise<void> {
    // A thousand acknowledgements may have come at once.
    const pause = breathe();
    if (pause !== undefined) await pause;
    if (request instanceof InvalidMessage && request.defect !== undefined) throw request.defect;
    // Of a message that cannot be read, the place in the stream is still known.
    sequence = request instanceof InvalidMessage ? sequence + 1 : Number(request.sequence);
    const message = request instanceof InvalidMessage ? unreadable(request) : participantMessageFromWire(request).message;
    // Before anybody else's session ends for it.
    if (message.type === "hello" && !mayOpen(message.participantId))
      throw permissionDenied(`what you are granted is not for participant "${message.participantId}"`, {
        participant_id: message.participantId,
      });
    await session.receive({ sequence, message });
  }

  try {
    for await (const burst of burstsOf(requests)) {
      try {
        for (const request of burst) await hear(request);
      } catch (error) {
        onDefect(error);
        break;
      }
    }
  } catch {
    // The stream broke; the generator sees it too.
  }
  session.disconnect();
}

const unreadable = ({ violations }: InvalidMessage): Unreadable => ({
  type: "unreadable",
  reason: firstCharacters(violationText(violations), reasonLengthMax),
  violations,
});

type Mutation = { readonly requestId: string; readonly reason: string; readonly requestedBy: string };

const askedOf = (typeName: string, request: Mutation, context: RpcContext): Asked => ({
  reason: request.reason,
  requestedBy: request.requestedBy,
  ...provedBy(context.principal),
  request: requestKey(typeName, request, context),
  origin: keptOrigin(context.origin),
});

/** The same for callers who see the same transactions. */
const viewKey = ({ permission: { transactionsOf: scope }, principal: { name } }: RpcContext): string =>
  scope === "all" ? "" : JSON.stringify([scope, name]);

const participantsKey = (scope: ParticipantScope): string => (scope === "all" ? "" : JSON.stringify(scope));

const enlistmentOf = ({ participantId, payload }: wire.Enlistment): Enlistment => ({
  participantId: participantId as ParticipantId,
  payload,
});
