import type { CallContext } from "nice-grpc-common";
import type { TransitionWorkflowRequest } from "../../gen/concord/workflow/v1/workflow_service.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import type { Caller } from "../../workflow/calls.ts";
import type { Together } from "../../workflow/own-part.ts";
import type { RpcContext } from "../context.ts";
import { durationMs } from "../duration.ts";
import { invalidField } from "../errors.ts";
import { withPatience } from "../patience.ts";
import { checkParticipants } from "../permission.ts";
import { tellTransaction } from "../transaction-header.ts";

/** A transaction of a caller without a deadline ends by this. */
const togetherTimeoutMaxMs = 60_000;

type Enlisting = Pick<TransitionWorkflowRequest, "enlist" | "timeout" | "waitForParticipants">;

/** Runs moves with the work of the participants that are enlisted; by themselves, if there is none. */
export async function runTogether<T>(
  request: Enlisting,
  { participantId: ownId, clock }: { readonly participantId: ParticipantId; readonly clock: Clock },
  context: CallContext & RpcContext,
  run: (together: Together | undefined, caller: Caller) => Promise<T>,
): Promise<T> {
  if (request.enlist.length === 0) {
    if (request.timeout !== undefined) throw invalidField("timeout", "is only for a move with enlist");
    if (request.waitForParticipants !== undefined) throw invalidField("wait_for_participants", "is only for a move with enlist");
    return run(undefined, context);
  }
  checkParticipants(
    context,
    request.enlist.map(({ participantId }) => participantId),
  );
  const own = request.enlist.findIndex(({ participantId }) => participantId === ownId);
  if (own >= 0)
    throw invalidField(`enlist[${own}].participant_id`, `"${ownId}" is reserved: the workflow manager takes part in any case`);
  const parts = request.enlist.map(({ participantId, payload }) => ({ participantId: participantId as ParticipantId, payload }));
  const waitForParticipantsMs = durationMs(request.waitForParticipants) ?? 0;
  const onBegun = (transactionId: TransactionId): void => tellTransaction(context, transactionId);
  return withPatience(context, clock, durationMs(request.timeout) ?? togetherTimeoutMaxMs, ({ signal, leftMs }) => {
    const together = { parts, waitForParticipantsMs, deadlineMs: clock.nowMs() + leftMs };
    return run(together, { signal, deadlineMs: together.deadlineMs, onBegun, origin: context.origin, guard: context.guard });
  });
}
