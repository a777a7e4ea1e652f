import { type Channel, ClientError } from "nice-grpc";
import type { ParticipantTransport } from "../../commit/ports.ts";
import { TwoPhaseCommitDefinition } from "../../gen/concord/commit/v1/two_phase_commit.ts";
import { coordinatorMessageFromWire, participantMessageToWire } from "../convert-transaction.ts";
import { clientFailure } from "../errors.ts";
import { clientFactory } from "./channel.ts";

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
        const { reason, message } = clientFailure(error);
        throw new Error(reason === undefined ? message : `${reason}: ${message}`, { cause: error });
      }
    },
  };
}
