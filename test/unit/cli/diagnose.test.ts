import { ClientError, Status } from "nice-grpc";
import { ErrorInfo, RichClientError } from "nice-grpc-error-details";
import { describe, expect, test } from "vitest";
import type { Clients } from "../../../src/cli/client.ts";
import { transactionFindings } from "../../../src/cli/diagnose/transaction.ts";
import { orphaned, workflowFindings } from "../../../src/cli/diagnose/workflow.ts";
import { diagnose } from "../../../src/cli/diagnose.ts";
import {
  Heuristic,
  Outcome,
  Participant,
  Transaction,
  TransactionEventType,
  TransactionPhase,
  VoteValue,
} from "../../../src/gen/concord/commit/v1/transaction.ts";
import { Workflow, WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { ListAllowedTransitionsResponse } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";

// What `concord diagnose` says of what test/e2e/runbook does not make happen.

const away = (participantId: string) => Participant.fromPartial({ participantId, lastSeenAt: new Date(0) });
const here = (participantId: string) => Participant.fromPartial({ participantId, connected: true });
const part = (participantId: string, more: object = {}) => ({ participantId, preparesSent: 1, ...more });

function findings(
  transaction: Parameters<typeof Transaction.fromPartial>[0],
  participants: readonly Participant[] | undefined,
  events: readonly object[] = [],
) {
  const timeline = events.map((event) => ({
    type: TransactionEventType.UNSPECIFIED,
    participantId: "",
    attempt: 0,
    detail: "",
    occurredAt: undefined,
    ...event,
  }));
  return transactionFindings(Transaction.fromPartial({ transactionId: "t", ...transaction }), { participants, timeline });
}

const whats = (...asked: Parameters<typeof findings>): readonly string[] => findings(...asked).map(({ what }) => what);

describe("of a transaction", () => {
  const { INIT, PREPARING, COMMITTING, ABORTING, COMPLETED } = TransactionPhase;

  test("that has begun: who is missing, or that it goes on by itself", () => {
    const participants = [part("a"), part("b")];
    expect(whats({ phase: INIT, participants }, [here("a")])).toEqual([
      expect.stringMatching(/^it waits for b to connect; it aborts by itself/),
    ]);
    expect(whats({ phase: INIT, participants }, [here("a"), here("b")])).toEqual([
      expect.stringMatching(/^its work is still being enlisted/),
    ]);
  });

  test("that is voted on: who has not voted", () => {
    const participants = [part("a", { vote: VoteValue.COMMIT }), part("b")];
    expect(whats({ phase: PREPARING, participants }, [here("a")])).toEqual([
      "b has not voted, and is not known here: it has never connected; it aborts by itself when the time to vote is over",
    ]);
  });

  test("of a lone participant that is connected: it is asked again", () => {
    const [found] = findings({ phase: PREPARING, participants: [part("a")] }, [here("a")]);
    expect(found?.what).toContain("a alone decides it");
    expect(found?.help).toEqual([expect.stringContaining("concord tx retry t")]);
  });

  test("that is decided: whoever has to hear it and has not answered, and nobody else", () => {
    const participants = [
      part("done", { vote: VoteValue.COMMIT, done: true }),
      part("reader", { vote: VoteValue.READ_ONLY }),
      part("refuser", { vote: VoteValue.ABORT }),
      part("unasked", { preparesSent: 0 }),
      part("owing", { vote: VoteValue.COMMIT }),
      part("silent"),
    ];
    expect(whats({ phase: ABORTING, outcome: Outcome.ABORTED, participants }, [away("owing"), here("silent")])).toEqual([
      "it is aborted, and owing has not acknowledged that; it is away since 1970-01-01T00:00:00.000Z",
      "it is aborted, and silent has not acknowledged that; it is connected",
    ]);
  });

  test("whose resource does not commit: its log is where to look, and a refusal counts for its own participant only", () => {
    const asked = { phase: COMMITTING, outcome: Outcome.COMMITTED, participants: [part("a", { vote: VoteValue.COMMIT })] };
    const nack = (participantId: string) => [{ type: TransactionEventType.NACK_RECEIVED, participantId, detail: "no" }];
    expect(findings(asked, [here("a")], nack("b"))[0]?.help[0]).toContain("its own log says why");
    expect(findings(asked, [here("a")], nack("a"))[0]?.what).toMatch(/and refuses: no$/);
  });

  test("of participants that could not be asked after, nothing is said that may be wrong", () => {
    const participants = [part("a"), part("b")];
    expect(whats({ phase: INIT, participants }, undefined)).toEqual([expect.stringMatching(/^its work is still being enlisted/)]);
    expect(whats({ phase: PREPARING, participants }, undefined)[0]).toContain("a has not voted, and is perhaps away");
  });

  test("that is over", () => {
    const ended = { phase: COMPLETED, outcome: Outcome.COMMITTED, participants: [part("a", { done: true })] };
    expect(whats(ended, [])).toEqual([]);
    expect(whats({ ...ended, heuristic: Heuristic.CONFIRMED }, [])).toEqual([]);
    const resolution = { requestedBy: "ada", reason: "gone", resolvedAt: new Date(0) };
    expect(whats({ ...ended, heuristic: Heuristic.UNCONFIRMED, resolution }, [])).toEqual([
      expect.stringContaining("by the word of ada"),
    ]);
    const contrary = [part("a", { done: true, acknowledgedOutcome: Outcome.ABORTED }), part("b", { done: true })];
    expect(whats({ ...ended, heuristic: Heuristic.MIXED, participants: contrary }, [])).toEqual([
      expect.stringMatching(/\(MIXED\): a$/),
    ]);
  });
});

describe("of a workflow", () => {
  const nowMs = 100_000;
  const ofWorkflow = (workflow: Parameters<typeof Workflow.fromPartial>[0]) =>
    workflowFindings(Workflow.fromPartial({ workflowId: "wf", state: WorkflowState.ACTIVE, ...workflow }), {
      ...{ moves: undefined, coordinator: undefined, nowMs },
    }).map(({ what }) => what);

  test("a deadline that is due, and for a while; not one that has just come, nor of one that is held", () => {
    const at = (ms: number) => ({ deadline: { at: new Date(ms), targetState: WorkflowState.FAILED, reason: "" } });
    expect(ofWorkflow(at(0))).toEqual([expect.stringContaining("its deadline was due")]);
    expect(ofWorkflow(at(nowMs - 1))).toEqual([]);
    expect(ofWorkflow({ ...at(0), inTransition: { transactionId: "t" } })).toEqual([
      expect.stringContaining("transaction t holds it"),
    ]);
  });

  test("one that has failed, and may be recovered later", () => {
    const [found] = ofWorkflow({ state: WorkflowState.FAILED, retryCount: 2, recoverableAt: new Date(nowMs + 1_000) });
    expect(found).toBe("it has failed, after 2 recoveries, and may be recovered from 1970-01-01T00:01:41.000Z on");
  });

  test("one that may still go somewhere is well; one that has ended, too", () => {
    const moves = (allowed: readonly boolean[]) =>
      ListAllowedTransitionsResponse.fromPartial({ transitions: allowed.map((each) => ({ allowed: each })) });
    const found = (allowed: readonly boolean[]) =>
      workflowFindings(Workflow.create(), { moves: moves(allowed), coordinator: undefined, nowMs }).length;
    expect([found([]), found([false, true]), found([false, false])]).toEqual([0, 0, 1]);
  });

  test("whose coordinator is gone: how the hold is ended", () => {
    expect(orphaned("wf", "t", "it is gone").help.join("\n")).toContain(
      "concord workflow resolve wf committed|aborted --transaction t",
    );
  });
});

describe("what is not answered is said, and by whom", () => {
  const refuse = (code: Status) => async () => {
    throw new ClientError("/a.Service/Call", code, "no");
  };
  const [away, hangs] = [refuse(Status.UNAVAILABLE), refuse(Status.DEADLINE_EXCEEDED)];
  const transaction = Transaction.fromPartial({ transactionId: "x", phase: TransactionPhase.COMPLETED });
  const tells = async () => ({ transaction, timeline: [] });
  const listsNobody = async () => ({ participants: [], nextPageToken: "" });
  const shows = async () => ({ workflow: Workflow.fromPartial({ workflowId: "x", state: WorkflowState.ACTIVE }) });

  const options = { address: "127.0.0.1:1", output: "table", timeout: 1_000, elsewhere: { commit: "127.0.0.1:2" } } as const;
  const asked = (commits: object, workflows: object) => diagnose({ commits, workflows } as unknown as Clients, "x", options);
  const said = async (commits: object, workflows: object): Promise<readonly string[]> =>
    (await asked(commits, workflows)).flatMap(({ findings }) => findings.map(({ what }) => what));

  const manager = "the workflow manager at 127.0.0.1:1 does not answer";
  const coordinator = "the coordinator at 127.0.0.1:2 does not answer";

  test("of a transaction: who is connected, and whether a workflow has its id", async () => {
    expect(await said({ getTransaction: tells, listParticipants: away }, { getWorkflow: hangs })).toEqual([
      `which participants are connected is not known: ${coordinator} (no connection)`,
      `whether a workflow has this id, too, is not known: ${manager} (127.0.0.1:1 cannot be reached: no connection within 1s; check the address, or name another with --address)`,
    ]);
  });

  test("of a workflow: which moves are allowed", async () => {
    const workflows = { getWorkflow: shows, listAllowedTransitions: refuse(Status.INTERNAL) };
    expect(await said({ getTransaction: away }, workflows)).toEqual([
      `no move is made together with others, and whether a transaction has this id, too, is not known: ${coordinator} (no connection)`,
      `which moves are allowed is not known: ${manager} (no)`,
    ]);
  });

  const [denied, missing] = [
    refuse(Status.PERMISSION_DENIED),
    async () => {
      throw new RichClientError("/a.Service/Call", Status.NOT_FOUND, "", [
        ErrorInfo.fromPartial({ domain: "concord", reason: "WORKFLOW_NOT_FOUND" }),
      ]);
    },
  ];

  test("what may not be seen is nothing that is wrong, and is said in a line each", async () => {
    expect(await asked({ getTransaction: tells, listParticipants: denied }, { getWorkflow: denied })).toMatchObject([
      { findings: [], unseen: ["which participants are connected: no", "whether a workflow has this id, too: no"] },
    ]);
    const workflows = { getWorkflow: shows, listAllowedTransitions: denied };
    expect(await asked({ getTransaction: denied }, workflows)).toMatchObject([
      { findings: [], unseen: ["which moves are allowed: no", "whether a transaction has this id, too: no"] },
    ]);
  });

  test("of an id of which nothing may be seen it is not said that there is none", async () => {
    await expect(asked({ getTransaction: denied }, { getWorkflow: missing })).rejects.toThrow(
      "no workflow that you may see is called x; whether a transaction is, is not known: no",
    );
    await expect(asked({ getTransaction: missing }, { getWorkflow: denied })).rejects.toThrow(
      "no transaction that you may see is called x; whether a workflow is, is not known: no",
    );
    await expect(asked({ getTransaction: away }, { getWorkflow: denied })).rejects.toMatchObject({ code: Status.UNAVAILABLE });
    await expect(asked({ getTransaction: denied }, { getWorkflow: denied })).rejects.toThrow(
      "whether a workflow or a transaction is called x is not known: no; of a transaction, no",
    );
    await expect(asked({ getTransaction: missing }, { getWorkflow: missing })).rejects.toThrow(
      "neither a workflow nor a transaction that you may see is called x",
    );
  });

  test("what is wrong with the question is no silence; if nobody answers, it is told as of any command", async () => {
    const misread = said(
      { getTransaction: tells, listParticipants: listsNobody },
      { getWorkflow: refuse(Status.INVALID_ARGUMENT) },
    );
    await expect(misread).rejects.toMatchObject({ code: Status.INVALID_ARGUMENT });
    await expect(said({ getTransaction: hangs }, { getWorkflow: away })).rejects.toMatchObject({ code: Status.UNAVAILABLE });
  });
});
