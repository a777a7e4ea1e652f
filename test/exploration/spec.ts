// The state of specs/TwoPhaseCommit.tla, and its invariants.

export type SpecCoordinator = {
  readonly phase: "off" | "init" | "preparing" | "committing" | "aborting" | "completed" | "unknown" | "dead";
  readonly yes: readonly string[];
  readonly ro: readonly string[];
  readonly acks: readonly string[];
  readonly lost: readonly string[];
};

export type SpecState = {
  readonly log: {
    readonly rec: "none" | "delegated" | "commit" | "abort";
    readonly epoch: number;
    readonly voters: readonly string[];
    readonly lost: readonly string[];
  };
  readonly fence: number;
  readonly coord: readonly SpecCoordinator[];
  /** In the order of the participants. */
  readonly part: readonly SpecPart[];
  readonly up: readonly string[];
  /** Sorted. "yes p1". */
  readonly net: readonly string[];
  readonly client: "waiting" | "committed" | "aborted";
  readonly crashes: number;
  readonly taken: readonly string[];
};

export type SpecPart = "working" | "prepared" | "committed" | "aborted" | "lost" | "refused" | "readonly";

export const newCoordinator = (phase: SpecCoordinator["phase"]): SpecCoordinator => ({
  phase,
  yes: [],
  ro: [],
  acks: [],
  lost: [],
});

/** What is computed from a value, kept: most of a state is the same object as in the state before it. */
export function once<Value extends object, Result>(compute: (value: Value) => Result): (value: Value) => Result {
  const known = new WeakMap<Value, Result>();
  return (value) => {
    const before = known.get(value);
    if (before !== undefined) return before;
    const result = compute(value);
    known.set(value, result);
    return result;
  };
}

/** One text for one state. */
export const specKey = once(({ log, fence, coord, part, up, net, client, crashes, taken }: SpecState) =>
  JSON.stringify([
    log.rec,
    log.epoch,
    log.voters,
    log.lost,
    fence,
    coord.map((c) => [c.phase, c.yes, c.ro, c.acks, c.lost]),
    part,
    up,
    net,
    client,
    crashes,
    taken,
  ]),
);

const durable: readonly SpecPart[] = ["prepared", "committed", "aborted", "lost"];

/** The names of the invariants that do not hold. Each is the one of the module, for `names` in their order. */
export function violatedInvariants(state: SpecState, names: readonly string[]): string[] {
  const { log, fence, coord, part, net, client, crashes, taken } = state;
  const sent = new Set(net);
  const of = (name: string): SpecPart => part[names.indexOf(name)] as SpecPart;
  const someoneCommitted = part.includes("committed");
  const someoneInDoubt = part.includes("prepared");
  const every = (holds: (name: string) => boolean): boolean => names.every(holds);
  const presumes = coord.some(({ phase }) => phase === "aborting" || phase === "completed" || phase === "unknown");
  const hasLeft = (name: string): boolean =>
    of(name) === "readonly" ||
    (crashes > 0 && (of(name) === "working" || of(name) === "refused")) ||
    (of(name) === "refused" && sent.has(`readonly ${name}`));
  const isTaken = (name: string): boolean => taken.includes(name);
  const hasPromised = (name: string): boolean => ["prepared", "committed", "lost"].includes(of(name)) || isTaken(name);
  const invariants: Readonly<Record<string, boolean>> = {
    Agreement: !(someoneCommitted && part.includes("aborted")),
    CommitValidity: log.rec !== "commit" || every((name) => (log.voters.includes(name) ? hasPromised(name) : hasLeft(name))),
    WriteAheadDecision:
      !(
        names.some((name) => sent.has(`commit ${name}`)) ||
        coord.some(({ phase, yes }) => phase === "committing" && yes.length > 0)
      ) ||
      log.rec === "commit" ||
      (someoneCommitted && !someoneInDoubt),
    WriteAheadVote: every(
      (name) =>
        !(sent.has(`yes ${name}`) || coord.some(({ yes }) => yes.includes(name))) || durable.includes(of(name)) || isTaken(name),
    ),
    WriteAheadAck: every(
      (name) =>
        (!(sent.has(`ackCommit ${name}`) || coord.some(({ acks }) => acks.includes(name))) || of(name) === "committed") &&
        (!sent.has(`ackAbort ${name}`) || of(name) === "aborted"),
    ),
    AckHonest:
      taken.every(
        (name) => of(name) !== "committed" && !sent.has(`ackCommit ${name}`) && !coord.some(({ acks }) => acks.includes(name)),
      ) && coord.every(({ acks, lost }) => !acks.some((name) => lost.includes(name))),
    LostNeverForgotten:
      (!part.includes("lost") || log.rec === "delegated" || log.rec === "commit") &&
      (coord[fence - 1]?.lost ?? []).every((name) => log.lost.includes(name)),
    CommitPointDurable: !(someoneCommitted && someoneInDoubt) || log.rec === "commit",
    NoStaleCommit: every((name) => !sent.has(`commit ${name}`) || hasPromised(name)),
    PresumptionSound:
      !(presumes && someoneInDoubt) ||
      ((log.rec === "none" || log.rec === "abort") && !someoneCommitted && client !== "committed"),
    ForgetSafe: coord.every(
      ({ phase, yes }) => phase !== "completed" || (yes.every((name) => of(name) === "committed") && client !== "waiting"),
    ),
    ClientAckDurable:
      (client !== "committed" || (!part.includes("aborted") && (!someoneInDoubt || log.rec === "commit"))) &&
      (client !== "aborted" || (log.rec !== "commit" && !someoneCommitted)),
  };
  return Object.entries(invariants).flatMap(([name, holds]) => (holds ? [] : [name]));
}
