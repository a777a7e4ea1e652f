import { Status } from "nice-grpc-common";
import { messageBytes } from "../../commit/footprint.ts";
import { Refusal } from "../../commit/participant/refusal.ts";
import type { ParticipantTransport } from "../../commit/ports.ts";
import {
  ParticipateRequest,
  ParticipateResponse,
  TwoPhaseCommitDefinition,
} from "../../gen/concord/commit/v1/two_phase_commit.ts";
import { inBursts } from "../bursts.ts";
import { coordinatorMessageFromWire, participantMessageToWire } from "../convert-transaction.ts";
import { encoded } from "../encoded-answer.ts";
import type { Reason } from "../errors.ts";
import { CallEnded, duplexCall } from "./duplex-call.ts";
import type { ClientSecurity } from "./security.ts";

const credentials = "check what this participant may do there, and its credentials";
const foreign = "its Hello is not understood: check the participant's id, and that both sides have compatible releases";

/** What to do about an end that comes again however often one tries. */
const remediesByReason: Readonly<Partial<Record<Reason, string>>> = {
  PROTOCOL_VERSION: "the two sides share no version of the protocol: upgrade the older one",
  PROTOCOL_VIOLATION: foreign,
};

const remediesByCode: Readonly<Partial<Record<Status, string>>> = {
  [Status.INVALID_ARGUMENT]: foreign,
  [Status.UNIMPLEMENTED]: "no TwoPhaseCommit is served there: check the address, or serve commit at it",
  [Status.PERMISSION_DENIED]: credentials,
  [Status.UNAUTHENTICATED]: credentials,
};

const path = `/${TwoPhaseCommitDefinition.fullName}/${TwoPhaseCommitDefinition.methods.participate.name}`;

/**
 * The Participate stream over gRPC. That its connection is dead, missing heartbeats tell. `before` it is opened, something may be waited for.
 */
export function createParticipantTransport({
  address,
  security,
  before,
}: {
  readonly address: string;
  readonly security?: ClientSecurity | undefined;
  readonly before?: () => Promise<void>;
}): ParticipantTransport {
  return {
    name: address,
    async *open(outgoing, signal) {
      await before?.();
      let isOpen = false;
      const requests = (async function* () {
        for await (const burst of inBursts(outgoing, messageBytes)) yield burst.map(encode);
      })();
      try {
        for await (const burst of duplexCall({ address, path, security }, requests, signal)) {
          isOpen = true;
          for (const bytes of burst) yield coordinatorMessageFromWire(ParticipateResponse.decode(bytes));
        }
      } catch (error) {
        throw error instanceof CallEnded && error.status ? ended(error, error.status, isOpen) : error;
      }
    },
  };
}

const encode = (message: Parameters<typeof participantMessageToWire>[0]): Uint8Array =>
  encoded(ParticipateRequest, participantMessageToWire(message));

function ended(error: CallEnded, { code, reason, message }: NonNullable<CallEnded["status"]>, wasOpen: boolean): Error {
  const text = reason === undefined ? `${Status[code]}: ${message}` : `${reason}: ${message}`;
  const remedy = remediesByReason[reason as Reason] ?? remediesByCode[code];
  // What has proved who this is was good, and has ended: there may be another one already.
  const hasEnded = wasOpen && code === Status.UNAUTHENTICATED;
  return remedy === undefined || hasEnded ? new Error(text, { cause: error }) : new Refusal(text, remedy, { cause: error });
}
