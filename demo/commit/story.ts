import { setTimeout as sleep } from "node:timers/promises";
import type { DurationMs, TimeMs } from "../../src/kernel/time.ts";
import type { LogLine } from "../process.ts";
import { type Arrow, createDiagram, type Happening, type Life, type Words } from "./diagram.ts";

/** Lines of different processes arrive in any order; for this long one may come that belongs before those that are here. */
const orderMs: DurationMs = 150;

/** Tells what happens as a sequence diagram, while it happens. */
export type Story = {
  /** A process has logged a line. Most lines say nothing here. */
  heard(process: string, line: LogLine): void;
  /** The demo itself has done something. */
  happened(happening: Happening): void;
  /** Hears the last lines, and tells what has not been told yet. */
  end(): Promise<void>;
};

type Entry = { readonly atMs: TimeMs; readonly rank: number; readonly tell: () => void };

const coordinator = "coordinator";

/** Causes come before effects, also within one millisecond. */
const ranks = [
  "coordinator started",
  "unfinished transactions are taken over",
  "participant started",
  "participant disconnected",
  "participant connected",
  "transaction begun",
  "send",
  "inquiry",
  "prepare received",
  "vote sent",
  "vote received",
  "record forced",
  "transaction decided",
  "decision received",
  "message refused",
  "decision acknowledged",
  "transaction completed",
];

export function createStory(options: {
  readonly columns: readonly string[];
  readonly width: number;
  readonly print: (text: string) => void;
  /** Which process holds a session of a participant id, now or by number. */
  readonly holder: (participantId: string, sessionEpoch?: number) => string;
}): Story {
  const { columns, width, print, holder } = options;
  const diagram = createDiagram({ columns, width });
  /** Sent, and not received yet: the arrow that is drawn if it gets lost. */
  const underWay = new Map<string, Arrow & Words>();
  /** Nothing that they say now can arrive. */
  const away = new Set<string>();
  /** They were told what the coordinator's log says, and it does not wait for their acknowledgement. */
  const answered = new Set<string>();
  let entries: Entry[] = [];
  let firstMs: TimeMs | undefined;
  let onePhase = false;
  /** Not drawn yet: others like it may follow, and are drawn as one. */
  let open: { readonly happening: Happening; readonly atMs: TimeMs } | undefined;
  const timer = setInterval(() => tellUntil(Date.now() - orderMs), orderMs / 3);
  print(diagram.head());

  function tellUntil(untilMs: TimeMs): void {
    const due = entries.filter(({ atMs }) => atMs <= untilMs).toSorted((a, b) => a.atMs - b.atMs || a.rank - b.rank);
    entries = entries.filter(({ atMs }) => atMs > untilMs);
    for (const { tell } of due) tell();
    drawOpen();
  }

  function drawOpen(): void {
    if (open === undefined) return;
    firstMs ??= open.atMs;
    print(diagram.draw(open.happening, open.atMs - firstMs));
    open = undefined;
  }

  function draw(atMs: TimeMs, next: Happening): void {
    const joined = open && join(open.happening, next);
    if (joined === undefined) drawOpen();
    open = { happening: joined ?? next, atMs: open?.atMs ?? atMs };
  }

  /** The two ends of a message do not say the same at the same time: it is drawn when it arrives. */
  function sent(atMs: TimeMs, kind: string, from: string, to: string, label: string): void {
    const arrow: Arrow & Words = { type: "arrow", from: [from], to: [to], label, lost: true, tone: "red" };
    if (away.has(to) || away.has(from)) draw(atMs, arrow);
    else underWay.set(`${kind} ${from} ${to}`, arrow);
  }

  function arrived(atMs: TimeMs, kind: string, from: string, to: string, arrow: Pick<Arrow, "label"> & Words): void {
    underWay.delete(`${kind} ${from} ${to}`);
    draw(atMs, { type: "arrow", from: [from], to: [to], ...arrow });
  }

  function leave(atMs: TimeMs, column: string): void {
    away.add(column);
    for (const [key, arrow] of underWay) {
      if (![...arrow.from, ...arrow.to].includes(column)) continue;
      underWay.delete(key);
      draw(atMs, arrow);
    }
  }

  const mark = (atMs: TimeMs, column: string, sign: string, note: string, more: Words & { readonly life?: Life } = {}): void =>
    draw(atMs, { type: "mark", at: [column], sign, note, ...more });

  function tellCoordinator(line: LogLine, other: string, atMs: TimeMs): void {
    const { decision, vote, reason, phase } = line;
    switch (line["msg"]) {
      case "coordinator started":
        away.delete(coordinator);
        mark(atMs, coordinator, "○", `starts, epoch ${line["coordinatorEpoch"]}`, { life: "up" });
        return;
      case "unfinished transactions are taken over":
        if (line["count"] !== 0) mark(atMs, coordinator, "○", `takes over what is unfinished: ${line["count"]}`);
        return;
      case "participant connected":
        away.delete(other);
        draw(atMs, { type: "arrow", from: [other], to: [coordinator], label: "Hello" });
        return;
      case "participant disconnected":
        if (reason === "SESSION_SUPERSEDED") {
          leave(atMs, other);
          draw(atMs, { type: "arrow", from: [coordinator], to: [other], label: "ended", note: reason, tone: "yellow" });
        }
        return;
      case "transaction begun":
        onePhase = (line["participants"] as readonly unknown[]).length === 1;
        return;
      case "send":
        if (line["kind"] === "prepare") sent(atMs, "prepare", coordinator, other, "Prepare");
        else sent(atMs, "decision", coordinator, other, phase === "ABORTING" ? "ABORT" : "COMMIT");
        return;
      case "vote received":
        // In one phase its acknowledgement is its vote, and the decision.
        if (onePhase) arrived(atMs, "ack", other, coordinator, vote === "commit" ? committed : aborted);
        else arrived(atMs, "vote", other, coordinator, voteArrow(vote));
        return;
      case "record forced":
        if (phase === "PREPARING") mark(atMs, coordinator, "●", "handed over, durably");
        return;
      case "inquiry":
        answered.add(other);
        mark(
          atMs,
          coordinator,
          "●",
          line["recorded"] === true ? `its log says ${outcomeOf(decision).label}` : "no record: ABORT",
        );
        return;
      case "transaction decided":
        if (decision === "aborted") mark(atMs, coordinator, "●", `ABORT: ${reason}`, { tone: "red" });
        else if (onePhase) mark(atMs, coordinator, "●", "COMMIT, as it was told", { tone: "green" });
        else if (phase === "COMMITTING") mark(atMs, coordinator, "●", "COMMIT is durable", { tone: "green" });
        else mark(atMs, coordinator, "●", "COMMIT: nobody is bound, nothing is forced", { tone: "green" });
        return;
      case "decision acknowledged":
        if (!onePhase) arrived(atMs, "ack", other, coordinator, { label: "ack" });
        return;
      case "transaction completed":
        mark(atMs, coordinator, "●", "COMPLETED");
    }
  }

  function tellParticipant(column: string, line: LogLine, atMs: TimeMs): void {
    switch (line["msg"]) {
      case "participant started":
        mark(atMs, column, "○", `starts, in doubt: ${line["inDoubt"]}`, { life: "up" });
        return;
      case "prepare received":
        arrived(atMs, "prepare", coordinator, column, {
          label: "Prepare",
          ...(line["onePhase"] === true && { note: "in one phase" }),
        });
        return;
      case "vote sent":
        sent(atMs, "vote", column, coordinator, voteArrow(line["vote"]).label);
        return;
      case "decision received":
        arrived(atMs, "decision", coordinator, column, outcomeOf(line["decision"]));
        return;
      case "message refused":
        mark(atMs, column, "●", `refuses: ${line["reason"]}`);
        return;
      case "decision acknowledged":
        if (!answered.has(column)) sent(atMs, "ack", column, coordinator, "ack");
    }
  }

  return {
    heard(process, line) {
      const rank = ranks.indexOf(String(line["msg"]));
      if (rank === -1) return;
      const atMs = Date.parse(String(line["time"]));
      if (process !== coordinator) {
        entries.push({ atMs, rank, tell: () => tellParticipant(process, line, atMs) });
        return;
      }
      // Who that is may be another one by the time it is told.
      const session = line["sessionEpoch"];
      const other = holder(String(line["participant"]), session === undefined ? undefined : Number(session));
      entries.push({ atMs, rank, tell: () => tellCoordinator(line, other, atMs) });
    },
    happened(happening) {
      const atMs = Date.now();
      const tell = (): void => {
        draw(atMs, happening);
        if (happening.type !== "mark") return;
        if (happening.life !== undefined && happening.life !== "up") for (const column of happening.at) leave(atMs, column);
      };
      entries.push({ atMs, rank: ranks.length, tell });
    },
    async end() {
      clearInterval(timer);
      await sleep(orderMs);
      tellUntil(Infinity);
    },
  };
}

const committed = { label: "COMMIT", tone: "green" } as const;
const aborted = { label: "ABORT", tone: "red" } as const;

const outcomeOf = (decision: unknown) => (decision === "committed" ? committed : aborted);

function voteArrow(vote: unknown) {
  if (vote === "commit") return { label: "yes" };
  return vote === "abort" ? ({ label: "no", tone: "red" } as const) : { label: "r/o", note: "read-only, wants no decision" };
}

/** One line for arrows that differ only in one of their ends, and for what is said twice. */
function join(first: Happening, second: Happening): Happening | undefined {
  if (first.note !== second.note || first.tone !== second.tone || first.type !== second.type) return undefined;
  if (first.type === "mark" || second.type === "mark") {
    const alike = first.type === "mark" && second.type === "mark" && first.sign === second.sign && first.life === second.life;
    return alike ? { ...first, at: [...new Set([...first.at, ...second.at])] } : undefined;
  }
  // What the client is told is another thing.
  if ([first, second].some(({ from, to }) => [...from, ...to].includes("client"))) return undefined;
  if (first.label !== second.label || first.lost !== second.lost) return undefined;
  const fanOut = sameOne(first.from, second.from) && !first.to.some((column) => second.to.includes(column));
  const fanIn = sameOne(first.to, second.to) && !first.from.some((column) => second.from.includes(column));
  if (fanOut) return { ...first, to: [...first.to, ...second.to] };
  return fanIn ? { ...first, from: [...first.from, ...second.from] } : undefined;
}

const sameOne = (first: readonly string[], second: readonly string[]): boolean =>
  first.length === 1 && second.length === 1 && first[0] === second[0];
