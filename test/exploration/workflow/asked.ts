import type { RequestId, TransactionId, WorkflowId } from "../../../src/kernel/ids.ts";
import type { WorkflowState } from "../../../src/kernel/lifecycle.ts";
import { itemKey } from "../../../src/kernel/request-key.ts";
import { type MoveCommand, type Moves, movesOf } from "../../../src/workflow/attempt.ts";
import type { Caller } from "../../../src/workflow/calls.ts";
import type { WantedDeadline } from "../../../src/workflow/core/deadline.ts";
import type { MovesError } from "../../../src/workflow/errors.ts";
import type { Manager } from "../../../src/workflow/manager.ts";
import type { OwnPart, WantedMoves } from "../../../src/workflow/own-part.ts";
import { none, recovering, type SpecBody } from "./spec.ts";

// What a request of specs/WorkflowManager.tla asks of the production manager, and what it hears, in the spec's words.

/** Asks for what is no part of a transaction. */
export async function ask(manager: Manager, r: string, body: SpecBody, caller: Caller): Promise<string> {
  const request = { id: r as RequestId, digest: r };
  const workflowId = body.on[0] as WorkflowId;
  const said = { reason: r, requestedBy: "somebody" };
  const expectedVersion = body.expected === 0 ? undefined : body.expected;
  const wanted = dueOf(body.due);
  const asked = { ...said, workflowId, expectedVersion, context: {}, request };
  switch (body.kind) {
    case "create":
    case "start": {
      const initialState = body.kind === "start" ? ("ACTIVE" as const) : ("CREATED" as const);
      const deadline = wanted && { deadline: wanted };
      const creation = { ...said, ...deadline, workflowId, type: "", metadata: {}, initialState, ifExists: "fail" as const };
      return codeOf(await manager.create({ ...creation, request }, caller));
    }
    case "update":
      return codeOf(await manager.update({ ...asked, update: { ...said, patch: { by: r }, eventMetadata: {} } }, caller));
    case "deadline":
      return codeOf(await manager.setDeadline({ ...asked, wanted }, caller));
    default:
      return codeOf(await manager.moveAll(movesFor(r, body), undefined, caller));
  }
}

/** What a request has its own part prepare. */
export const wantedBy = (r: string, body: SpecBody): WantedMoves => ({
  moves: movesFor(r, body),
  participantIds: [],
  deadlineMs: 0,
  begun: () => {},
  origin: undefined,
  transactionId: r as TransactionId,
  refusal: undefined,
  ending: Promise.withResolvers(),
});

/** What a request's call has asked its own part for; a call that was sent again asks for it again. */
export const ownPartOf = (wanted: WantedMoves | undefined): OwnPart => ({
  run: () => Promise.reject(new Error("a transaction is the world's to run")),
  earlier: () => Promise.resolve(undefined),
  take: () => wanted,
  held: () => {},
  counts: { endings: 0, wanted: 0 },
  ended: () => {},
});

/** Of several workflows, the first that is refused speaks for all. */
export function codeOf(answer: { readonly ok: boolean; readonly error?: MovesError }): string {
  const { error } = answer;
  const refused = error?.type === "items-refused" ? error.errors.find((each) => each !== undefined) : error;
  return refused === undefined ? "OK" : refused.type.toUpperCase().replaceAll("-", "_");
}

function movesFor(r: string, body: SpecBody): Moves {
  const request = { id: r as RequestId, digest: r };
  const isBatch = body.kind === "batch" || body.on.length > 1;
  const said = { reason: r, requestedBy: "somebody" };
  const deadline = dueOf(body.due);
  const commands = body.on.map((id, index): MoveCommand => {
    const asked = { ...said, ...(deadline && { deadline }), request: isBatch ? itemKey(request, index) : request };
    return {
      workflowId: id as WorkflowId,
      expectedVersion: body.expected === 0 ? undefined : body.expected,
      mustRecover: recovering.has(body.kind),
      context: {},
      move: { ...asked, targetState: body.to as WorkflowState, eventMetadata: {} },
    };
  });
  return isBatch ? { commands, request, ...said } : movesOf(commands[0] as MoveCommand);
}

const dueOf = (target: string): WantedDeadline | undefined =>
  target === none ? undefined : { due: { afterMs: 0 }, targetState: target as WorkflowState, reason: "in time" };
