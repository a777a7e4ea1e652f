import { type Channel, ClientError, Status } from "nice-grpc";
import { Refusal } from "../../commit/participant/refusal.ts";
import type { ParticipantTransport } from "../../commit/ports.ts";
import { TwoPhaseCommitDefinition } from "../../gen/concord/commit/v1/two_phase_commit.ts";
import { coordinatorMessageFromWire, participantMessageToWire } from "../convert-transaction.ts";
import { clientFailure, type Reason } from "../errors.ts";
import { causeOf } from "./cause.ts";
import { clientFactory } from "./channel.ts";

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

/** The Participate stream over gRPC. The channel's keepalive finds a dead connection under it. */
export function createParticipantTransport(options: {
  readonly channel: Channel;
  readonly address: string;
}): ParticipantTransport {
  const client = clientFactory.create(TwoPhaseCommitDefinition, options.channel);
  return {
    name: options.address,
    async *open(outgoing, signal) {
      const requests = (async function* () {
        for await (const message of outgoing) yield participantMessageToWire(message);
      })();
      try {
        for await (const response of client.participate(requests, { signal })) yield coordinatorMessageFromWire(response);
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        const { code, reason, message } = clientFailure(error);
        const text = reason === undefined ? causeOf(error) : `${reason}: ${message}`;
        const remedy = remediesByReason[reason as Reason] ?? remediesByCode[code];
        throw remedy === undefined ? new Error(text, { cause: error }) : new Refusal(text, remedy, { cause: error });
      }
    },
  };
}
