import { ack, anyVote, right } from "../answer.ts";
import { Broken, NotTried } from "../broken.ts";
import type { Rule } from "../rule.ts";
import { heartbeatIntervalMs, sessionTimeoutMs } from "../session.ts";
import { prepared } from "./votes.ts";

const beatsWanted = 3;

const goAwayMs = 2_000;

export const sessionRules: readonly Rule[] = [
  {
    id: "beats",
    says: "It sends Heartbeat at least as often as Welcome says, with the sequence of the last message that it has handled.",
    where: "Welcome.heartbeat_interval, Heartbeat",
    async run(play) {
      const session = await play.session();
      const { stream } = session;
      right(await session.prepare(play.work()), anyVote);
      const from = stream.heard.length;
      const known = stream.sent;
      const beats = () => stream.heard.slice(from).flatMap(({ message }) => (message.type === "heartbeat" ? [message] : []));
      // Twice the time that it takes: machines are busy.
      const withinMs = 2 * (beatsWanted + 1) * heartbeatIntervalMs;
      await play.watch.until(() => (beats().length >= beatsWanted ? true : undefined), withinMs);
      const count = beats().length;
      if (count < beatsWanted) throw new Broken(`${count} heartbeats in ${withinMs} ms`, `one each ${heartbeatIntervalMs} ms`);
      const last = beats().at(-1)?.lastSequenceSeen ?? 0;
      if (last < known || last > stream.sent) throw new Broken(`last_sequence_seen ${last}`, `${known} to ${stream.sent}`);
    },
  },
  {
    id: "silence-ends-a-session",
    says: "When the coordinator is silent for session_timeout, it ends the stream and connects again; what is prepared stays.",
    where: "Welcome.session_timeout",
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      session.fallSilent();
      const withinMs = 2 * sessionTimeoutMs + play.patienceMs;
      const ended = await play.watch.until(() => session.stream.ended, withinMs);
      if (!ended) {
        throw new Broken(`a stream that goes on after ${withinMs} ms of silence`, `that it ends it after ${sessionTimeoutMs} ms`);
      }
      right(await (await play.session()).decide(work, "committed"), ack("committed"));
    },
  },
  {
    id: "beats-of-the-coordinator-suffice",
    says: "While the coordinator beats, a session lasts, however little else is said.",
    where: "Welcome.session_timeout",
    async run(play) {
      const { stream } = await play.session();
      await play.watch.until(() => stream.ended, sessionTimeoutMs + 2 * heartbeatIntervalMs);
      if (stream.ended) throw new Broken(`the end of the stream, ${stream.ended.how}`, "a session that lasts");
    },
  },
  {
    id: "waits-as-go-away-says",
    says: "After GoAway it waits for reconnect_after before it connects again.",
    where: "GoAway.reconnect_after",
    async run(play) {
      const session = await play.session();
      const saidMs = play.clock.monotonicMs();
      session.send({ type: "go-away", reason: "the check asks it to wait", reconnectAfterMs: goAwayMs });
      session.stream.end({ reason: "SHUTTING_DOWN", message: "the check asks it to wait" });
      const next = await play.nextStream();
      play.welcome(next);
      const waitedMs = Math.round(next.openedMs - saidMs);
      // Timers may be a little early.
      if (waitedMs < 0.95 * goAwayMs) throw new Broken(`Hello after ${waitedMs} ms`, `${goAwayMs} ms or more`);
    },
  },
  {
    id: "works-on-after-go-away",
    says: "Until the stream ends, a session goes on after GoAway: decisions are carried out.",
    where: "GoAway",
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      session.send({ type: "go-away", reason: "the check goes on for a moment", reconnectAfterMs: 0 });
      const answer = await session.decide(work, "committed");
      // It may leave at once, and is told again then.
      right(answer.type === "stream-ended" ? await (await play.session()).decide(work, "committed") : answer, ack("committed"));
    },
  },
  {
    id: "comes-back-when-superseded",
    says: "A stream that ends with SESSION_SUPERSEDED ends no promise: it connects again.",
    where: "Hello.instance_id",
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      session.stream.end({ reason: "SESSION_SUPERSEDED", message: "a newer Hello of this participant id won" });
      right(await (await play.session()).decide(work, "committed"), ack("committed"));
    },
  },
  {
    id: "session-epoch-may-begin-anew",
    says: "A Welcome with a smaller session_epoch than the last is taken: the coordinator may have forgotten it meanwhile.",
    where: "Welcome.session_epoch",
    async run(play) {
      play.part();
      const session = play.welcome(await play.nextStream(), play.own, 1);
      right(await session.prepare(play.work()), anyVote);
    },
  },
  {
    id: "one-stream-at-a-time",
    says: "It holds one stream open to a coordinator, not two.",
    where: "Participate",
    observes: true,
    async run({ streams }) {
      if (streams.length === 0) throw new NotTried("there was none");
      const overlapping = streams.some((stream, index) => {
        const next = streams[index + 1];
        return next !== undefined && (stream.ended === undefined || stream.ended.atMs > next.openedMs + overlapMs);
      });
      if (overlapping) throw new Broken("a stream that was opened while another one was open", "one at a time");
    },
  },
];

/** The end of one that is gone may be heard after the beginning of the next. */
const overlapMs = 1_000;
