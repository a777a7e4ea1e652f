import { type ParticipateRequest, TwoPhaseCommitDefinition } from "../../gen/concord/commit/v1/two_phase_commit.ts";
import { burstsOf, inBursts, together } from "../../rpc/bursts.ts";
import { streamError } from "../../rpc/commit-errors.ts";
import { coordinatorMessageToWire, participantMessageFromWire } from "../../rpc/convert-transaction.ts";
import { EncodedAnswer } from "../../rpc/encoded-answer.ts";
import { violationText } from "../../rpc/errors.ts";
import { type RpcService, withValidation } from "../../rpc/server.ts";
import { InvalidMessage } from "../../rpc/validation.ts";
import type { Sent, StreamEnds } from "./stream.ts";

const { participate } = TwoPhaseCommitDefinition.methods;
const definition = { ...TwoPhaseCommitDefinition, methods: { participate } } as const;

/** TwoPhaseCommit with Participate alone. Who plays the coordinator is given each stream as it opens. */
export function checkService(open: () => StreamEnds): RpcService {
  return {
    name: definition.fullName,
    addTo: (server) =>
      server.add(withValidation(definition), {
        async *participate(
          requests: AsyncIterable<ParticipateRequest | InvalidMessage>,
          context: { readonly signal: AbortSignal },
        ) {
          const stream = open();
          const breakOff = (): void => stream.over("broken");
          context.signal.addEventListener("abort", breakOff, { once: true });
          void listen(requests, stream);
          try {
            for await (const burst of inBursts(stream.outgoing, () => 1)) yield together(burst.map(toWire));
            if (stream.status) throw streamError(stream.status);
          } finally {
            context.signal.removeEventListener("abort", breakOff);
            stream.over("broken");
          }
        },
      }),
  };
}

async function listen(requests: AsyncIterable<ParticipateRequest | InvalidMessage>, stream: StreamEnds): Promise<void> {
  let sequence = 0;
  function hear(request: ParticipateRequest | InvalidMessage): void {
    if (!(request instanceof InvalidMessage)) {
      sequence = Number(request.sequence);
      stream.hear(participantMessageFromWire(request));
      return;
    }
    // Its place is still known.
    sequence += 1;
    const { violations } = request;
    stream.hear({ sequence, message: { type: "unreadable", reason: violationText(violations), violations } });
  }
  try {
    for await (const burst of burstsOf(requests)) for (const request of burst) hear(request);
    stream.over("half-closed");
  } catch {
    stream.over("broken");
  }
}

function toWire({ sequence, message }: Sent) {
  if (message.type !== "raw") return coordinatorMessageToWire({ sequence, message });
  return new EncodedAnswer(message.encode(sequence)) as unknown as ReturnType<typeof coordinatorMessageToWire>;
}
