import { coordinator } from "./cluster.ts";
import type { Stage } from "./stage.ts";

export type Scene = {
  readonly name: string;
  readonly title: string;
  /** What is about to happen, and why nothing can go wrong. */
  readonly about: string;
  /** How it ends. */
  readonly outcome: "committed" | "aborted";
  /** Else, if the kill comes later than it was meant to. */
  readonly mayBeLate?: true;
  readonly hasTwin?: true;
  play(stage: Stage): Promise<void>;
};

export const scenes: readonly Scene[] = [
  {
    name: "all-commit",
    title: "Everybody votes yes",
    about:
      "Each participant makes its promise durable before it votes. The coordinator makes COMMIT durable before anybody hears of it: from then on it is committed, whatever dies.",
    outcome: "committed",
    play: (stage) => stage.execute(stage.allVote("commit")),
  },
  {
    name: "mixed-votes",
    title: "One votes no",
    about:
      "One no decides, at once. Those who have promised are told, and undo it; nothing is forced to disk at the coordinator.",
    outcome: "aborted",
    play: (stage) => stage.execute({ ...stage.allVote("commit"), [stage.others[0] ?? ""]: "abort" }),
  },
  {
    name: "all-abort",
    title: "Everybody votes no",
    about: "The first no decides. Who is told ABORT before it has voted need not promise anything any more.",
    outcome: "aborted",
    play: (stage) => stage.execute(stage.allVote("abort")),
  },
  {
    name: "read-only",
    title: "One has changed nothing",
    about: "A participant that votes read-only is bound by nothing, so it leaves: the decision is for the others.",
    outcome: "committed",
    play: (stage) => stage.execute({ ...stage.allVote("commit"), [stage.first]: "read-only" }),
  },
  {
    name: "lone-participant",
    title: "A single participant",
    about:
      "There is nobody to agree with: the coordinator hands the decision over, durably, and two messages do instead of four.",
    outcome: "committed",
    play: (stage) => stage.execute({ [stage.first]: "commit" }),
  },
  {
    name: "fight",
    title: "Two processes fight for one participant id",
    about:
      "An operator's mistake: p1' is started as p1, with a log of its own. The newest Hello wins, and the other session ends with SESSION_SUPERSEDED; who loses comes back, more and more slowly. A promise is kept by whoever made it, for it asks until it knows the outcome.",
    outcome: "committed",
    hasTwin: true,
    async play({ execute, allVote, logged, start, stop, agreed, inSession, first, twin }) {
      const { sessionEpoch } = await start(twin);
      await Promise.all([
        execute(allVote("commit")),
        logged(coordinator, "participant disconnected", { participant: first, sessionEpoch, reason: "SESSION_SUPERSEDED" }),
      ]);
      await agreed();
      await stop(twin);
      await inSession(first);
    },
  },
  {
    name: "participant-dies-before-vote",
    title: "A participant dies before its vote",
    about:
      "It had promised nothing, and knows nothing when it is back. No vote comes within prepare_timeout, here 1 s, so the coordinator aborts.",
    outcome: "aborted",
    mayBeLate: true,
    async play({ execute, allVote, logged, kill, start, first }) {
      const answered = execute(allVote("commit"), { timeoutMs: 1_000 });
      await logged(first, "prepare received");
      await kill(first);
      await answered;
      await start(first);
    },
  },
  {
    name: "participant-dies-after-vote",
    title: "A participant dies after its vote",
    about:
      "It has promised, so it is bound: when it is back it is in doubt and does not decide alone. It says so in its Hello, and hears the decision.",
    outcome: "committed",
    async play({ execute, allVote, logged, kill, start, first }) {
      const answered = execute(allVote("commit"));
      await logged(coordinator, "vote received", { participant: first });
      await kill(first);
      await answered;
      await start(first);
    },
  },
  {
    name: "participant-dies-after-decision",
    title: "A participant dies after the decision, before its acknowledgement",
    about: "The coordinator keeps its record, and says COMMIT until it is acknowledged. To hear it twice does no harm.",
    outcome: "committed",
    async play({ execute, allVote, logged, kill, start, hold, first }) {
      const answered = execute(allVote("commit"));
      await logged(coordinator, "vote received", { participant: first });
      hold(first);
      await logged(first, "decision acknowledged");
      await kill(first);
      await answered;
      await start(first);
    },
  },
  {
    name: "partition",
    title: "A participant is cut off after its vote",
    about:
      "The others go on and end. The one that is cut off is in doubt and keeps its promise for as long as it takes; a lost connection is never a vote.",
    outcome: "committed",
    async play({ execute, allVote, logged, cut, heal, openLog, first, others }) {
      const answered = execute(allVote("commit"));
      await logged(coordinator, "vote received", { participant: first });
      cut(first);
      await answered;
      await Promise.all(others.map((participant) => logged(coordinator, "decision acknowledged", { participant })));
      openLog(first);
      heal(first);
    },
  },
  {
    name: "coordinator-dies-preparing",
    title: "The coordinator dies before it hears a vote",
    about:
      "Nothing was decided, and nothing is in its log. No record means aborted: so is answered whoever asks, and everybody who has promised asks.",
    outcome: "aborted",
    mayBeLate: true,
    async play({ execute, allVote, logged, kill, start, hold, participants }) {
      const answered = execute(allVote("commit"));
      await Promise.all(participants.map((participant) => logged(participant, "prepare received")));
      hold(...participants);
      await Promise.all(participants.map((participant) => logged(participant, "vote sent")));
      await kill(coordinator);
      await start(coordinator);
      await answered;
    },
  },
  {
    name: "coordinator-dies-collecting",
    title: "The coordinator dies when it has heard one vote",
    about: "Votes are not kept. Without a durable decision there is none, so it ends like the one before.",
    outcome: "aborted",
    mayBeLate: true,
    async play({ execute, allVote, logged, kill, start, hold, first, others }) {
      const answered = execute(allVote("commit"));
      await logged(coordinator, "vote received", { participant: first });
      hold(...others);
      await Promise.all(others.map((participant) => logged(participant, "vote sent")));
      await kill(coordinator);
      await start(coordinator);
      await answered;
    },
  },
  {
    name: "coordinator-dies-decided",
    title: "The coordinator dies when COMMIT is durable and nobody has heard of it",
    about:
      "Its log says COMMIT, and that is what everybody hears after the restart. The client repeats its request with the same request_id, and is answered with the first one's outcome.",
    outcome: "committed",
    async play({ execute, allVote, logged, kill, start, hold, participants }) {
      const answered = execute(allVote("commit"), { retries: true });
      await Promise.all(participants.map((participant) => logged(participant, "prepare received")));
      hold(coordinator);
      await logged(coordinator, "transaction decided");
      await kill(coordinator);
      await start(coordinator);
      await answered;
    },
  },
  {
    name: "coordinator-dies-unacknowledged",
    title: "The coordinator dies while an acknowledgement is outstanding",
    about:
      "The record stays in its log until the last one has acknowledged. After the restart COMMIT is said again to whoever has not.",
    outcome: "committed",
    async play({ execute, allVote, logged, kill, start, hold, first, others }) {
      const answered = execute(allVote("commit"));
      await logged(coordinator, "vote received", { participant: first });
      hold(first);
      await Promise.all(others.map((participant) => logged(coordinator, "decision acknowledged", { participant })));
      await logged(first, "decision acknowledged");
      await answered;
      await kill(coordinator);
      await start(coordinator);
    },
  },
];
