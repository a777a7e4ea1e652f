import { randomInt } from "node:crypto";
import { ClientError, Status } from "nice-grpc";
import { createQueue } from "../../commit/queue.ts";
import {
  PredicateLogicDefinition,
  StreamValidateTransitionsRequest,
  StreamValidateTransitionsResponse,
} from "../../gen/concord/predicate/v1/predicate_logic.ts";
import { Judgement, type TransitionVerdict } from "../../gen/concord/predicate/v1/verdict.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { Logger } from "../../runtime/logger.ts";
import { encodedList } from "../encoded-answer.ts";
import { causeOf } from "./cause.ts";
import { duplexCall } from "./duplex-call.ts";
import type { ClientSecurity } from "./security.ts";

const { fullName, methods } = PredicateLogicDefinition;
const path = `/${fullName}/${methods.streamValidateTransitions.name}`;

/** One that is not needed any more is left after this. Nobody watches it meanwhile: whether its peer still lives, only a question shows. */
const idleMs: DurationMs = 10_000;

/** After one that has ended before it answered anything, such as with who does not know this method: for so long no other is opened. */
const pauseMs: DurationMs = 30_000;

/** Of its deadline, how long the first question of a stream waits: what lies between may not let streams through. Then there is time for a call. */
const firstShare = 1 / 4;

/** There is room behind it for as many questions as are ever asked, and every client of gRPC can say it. */
const questionNumberMax = 2 ** 47;

type Question = {
  /** Each of them encoded. */
  readonly checks: readonly Uint8Array[];
  readonly callIds: readonly string[];
};

/** Undefined: the stream has ended, and did not answer. */
type Answer = readonly TransitionVerdict[] | undefined;

export type CheckStreams = {
  /**
   * Asks what is prompt. Resolves to undefined where there is no answer to be had in this way, now or for a while: ask by a call. Rejects with the
   * signal's reason when that aborts, and with DEADLINE_EXCEEDED; then nobody waits for the answer any more.
   */
  readonly ask: (question: Question, call: { readonly signal: AbortSignal; readonly deadline: DurationMs }) => Promise<Answer>;
  readonly close: () => void;
};

/** One question at a time. */
type Stream = {
  readonly ask: (question: Question) => Promise<Answer>;
  readonly leave: () => void;
  readonly isOpen: () => boolean;
  /** It has answered something. */
  readonly isOfUse: () => boolean;
};

type Peer = { readonly address: string; readonly security?: ClientSecurity | undefined };

/**
 * The stream of StreamValidateTransitions: as many as there are questions at a time, each on a connection of its own. What goes wrong with a stream is
 * told by nobody: who then asks by a call hears it there, with all its details.
 */
export function createCheckStreams({
  clock,
  logger,
  ...peer
}: Peer & { readonly clock: Pick<Clock, "monotonicMs" | "setTimer">; readonly logger: Pick<Logger, "debug"> }): CheckStreams {
  const open = new Set<Stream>();
  const idle: { readonly stream: Stream; readonly wanted: () => void }[] = [];
  let pausedUntilMs = -Infinity;

  function take(): Stream | undefined {
    for (let next = idle.pop(); next !== undefined; next = idle.pop()) {
      next.wanted();
      if (next.stream.isOpen()) return next.stream;
    }
    if (clock.monotonicMs() < pausedUntilMs) return undefined;
    const stream = openStream(peer, (cause) => {
      open.delete(stream);
      logger.debug({ address: peer.address, cause, answered: stream.isOfUse() }, "a stream of questions to the rules has ended");
      if (!stream.isOfUse()) pausedUntilMs = Math.max(pausedUntilMs, clock.monotonicMs() + pauseMs);
    });
    open.add(stream);
    return stream;
  }

  return {
    async ask(question, { signal, deadline }) {
      const stream = take();
      if (stream === undefined) return undefined;
      const gone = Promise.withResolvers<never>();
      const give = (reason: unknown): void => {
        gone.reject(reason);
        stream.leave();
      };
      const leave = (): void => give(signal.reason);
      signal.addEventListener("abort", leave);
      const cancel = stream.isOfUse()
        ? clock.setTimer(deadline, () => give(new ClientError(path, Status.DEADLINE_EXCEEDED, "no answer in time")))
        : clock.setTimer(deadline * firstShare, stream.leave);
      try {
        return await Promise.race([stream.ask(question), gone.promise]);
      } finally {
        signal.removeEventListener("abort", leave);
        cancel();
        if (stream.isOpen()) idle.push({ stream, wanted: clock.setTimer(idleMs, stream.leave) });
      }
    },
    close() {
      pausedUntilMs = Infinity;
      for (const stream of open) stream.leave();
    },
  };
}

/** A verdict is on the check with its place: with one too few or too many, none of them may be used. */
const isWhole = (verdicts: readonly TransitionVerdict[], checkCount: number): boolean =>
  verdicts.length === checkCount && verdicts.every(({ judgement }) => isKnown(judgement));

const isKnown = (judgement: Judgement): boolean => judgement !== Judgement.UNSPECIFIED && judgement !== Judgement.UNRECOGNIZED;

function openStream(peer: Peer, onEnd: (why: string) => void): Stream {
  const leaving = new AbortController();
  const questions = createQueue<readonly Uint8Array[]>();
  // From anywhere, so that whatever else its peer counts is no answer.
  let asked = randomInt(questionNumberMax);
  let checkCount = 0;
  let isOfUse = false;
  let settle: ((answer: Answer) => void) | undefined;
  let isOpen = true;

  function hear(bytes: Buffer): void {
    const { question, verdicts } = StreamValidateTransitionsResponse.decode(bytes);
    if (settle === undefined || question !== BigInt(asked)) throw new Error("an answer that is to no question");
    if (!isWhole(verdicts, checkCount)) throw new Error("an answer that is no verdict on each check");
    isOfUse = true;
    settle(verdicts);
    settle = undefined;
  }

  async function read(): Promise<void> {
    let why = "its peer has ended it";
    try {
      for await (const burst of duplexCall({ ...peer, path }, questions.items, leaving.signal)) burst.forEach(hear);
    } catch (error) {
      // Who asks again by a call is told.
      why = leaving.signal.aborted ? "it was left" : causeOf(error);
    }
    isOpen = false;
    questions.close();
    onEnd(why);
    settle?.(undefined);
  }
  void read();

  return {
    ask: ({ checks, callIds }) =>
      new Promise((resolve) => {
        asked += 1;
        checkCount = checks.length;
        settle = resolve;
        const rest = { promptOnly: true, callIds, question: BigInt(asked) };
        questions.push([encodedList(StreamValidateTransitionsRequest, checks, rest)]);
      }),
    leave: () => leaving.abort(),
    isOpen: () => isOpen && !leaving.signal.aborted,
    isOfUse: () => isOfUse,
  };
}
