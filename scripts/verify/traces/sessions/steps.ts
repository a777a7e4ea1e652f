// What happened around the cores, as lines of a trace of specs/TraceSessions.tla. Processes of the coordinator are numbered by their claims, sessions as
// their participant's are, both from 2: 1 is what was before the trace. Participants are p1, p2, …, and transactions t1, t2, …

/** Who takes part in which transaction. */
export type Parties = { readonly [transaction: string]: ReadonlySet<string> };

type OfSession = { readonly participant: string; readonly session: number };
type OfRun = { readonly run: number; readonly transaction: string };
type Voters = { readonly voters: ReadonlySet<string> };
/** yes or readonly; of an answer, committed or aborted. */
type Said = { readonly value: string };

/** One type for each action. */
type Line<Action extends string, Told> = Action extends string ? { readonly action: Action } & Told : never;

export type Step =
  | Line<"World", { readonly parties: Parties }>
  | Line<"Claim", { readonly run: number; readonly epoch: number }>
  | Line<"Stop", { readonly run: number }>
  | Line<"OpenSession" | "Welcome", { readonly run: number } & OfSession>
  | Line<"Admit", { readonly run: number; readonly epoch: number } & OfSession>
  | Line<"Begin" | "Decided", OfRun>
  | Line<"HearVote", OfRun & OfSession & Said>
  | Line<"RecvVote" | "AnswerInquiry", { readonly participant: string } & OfRun & Said>
  | Line<"ForceCommit" | "TakeUp", OfRun & Voters>
  | Line<"RecvCommit" | "RecvAbort", { readonly transaction: string } & OfSession>
  | Line<"RecvPrepare", { readonly transaction: string } & OfSession & Said>
  | Line<"PartCrash", { readonly participant: string }>
  | Line<"PartRecover", { readonly participant: string; readonly transaction: string }>;

export type Trace = { readonly name: string; readonly steps: readonly Step[] };

export const actions: readonly Step["action"][] = [
  ...(["World", "Claim", "Stop", "OpenSession", "Welcome", "Admit", "Begin", "HearVote", "RecvVote", "ForceCommit"] as const),
  ...(["Decided", "TakeUp", "AnswerInquiry", "RecvPrepare", "RecvCommit", "RecvAbort"] as const),
  ...(["PartCrash", "PartRecover"] as const),
];
