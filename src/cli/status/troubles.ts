import { SinkState } from "../../gen/concord/workflow/v1/sink.ts";
import { counted } from "../../kernel/text.ts";
import { durationMs } from "../../rpc/duration.ts";
import { bytesText, waitText } from "../output.ts";
import { shellWord } from "../shell-word.ts";
import type { Asked } from "./ask.ts";

/** What is wrong, and the command or the page that helps. */
export type Trouble = { readonly what: string; readonly help: string };

/** Below it, the next growth of a store may not fit. */
const diskFreeBytesMin = 2 ** 30;
/** As the alert of docs/operations.md has it. */
const inDoubtMsMax = 300_000;
/** Whoever waits for the loop waits as long as for a disk that is busy. */
const loopDelayMsMax = 200;
const sinkLagMsMax = 60_000;

export const troublesOf = (asked: readonly Asked[]): readonly Trouble[] => asked.flatMap(ofProcess);

function ofProcess(asked: Asked): readonly Trouble[] {
  const { failure, refused, status, address } = asked;
  return [
    ...(failure === undefined
      ? []
      : [{ what: failure, help: `docs/${refused ? "security.md, Who calls" : "operations.md, Health"}` }]),
    ...(status === undefined ? [] : ofStatus(address, status)),
    ...ofParticipants(asked),
    ...ofSinks(asked),
  ];
}

function ofStatus(
  address: string,
  { services, peers, loopDelay, diskFreeBytes, coordinator, storeMismatches, coordinatorSessions }: NonNullable<Asked["status"]>,
): readonly Trouble[] {
  const troubles: Trouble[] = services
    .filter(({ serving }) => !serving)
    .map(({ name, reason }) => ({
      what: `${name} at ${address} does not serve: ${reason}`,
      help: "docs/operations.md, Storage",
    }));
  for (const { name, address: where, answers, reason } of peers) {
    if (answers === false)
      troubles.push({
        what: `${address} hears nothing of ${name} at ${where}: ${reason}`,
        help: `concord status --also ${shellWord(where)}`,
      });
  }
  for (const mismatch of storeMismatches) {
    const help = "docs/operations.md, Stores that do not belong together";
    troubles.push({ what: `${address} goes on with stores that do not belong together: ${mismatch}`, help });
  }
  for (const { address: where, participantId, open, reason, remedy } of coordinatorSessions) {
    if (open === false)
      troubles.push({
        what: `${participantId} of ${address} has no session with the coordinator at ${where}, so no move is made together with others, and no hold ends: ${reason}`,
        help: remedy === "" ? "docs/operations.md, Health" : remedy,
      });
  }
  const unbelieving = coordinator?.unbelievingParticipants ?? [];
  if (unbelieving.length > 0)
    troubles.push({
      what: `the coordinator at ${address} is not believed by ${unbelieving.join(", ")}: ${unbelieving.length === 1 ? "it has" : "they have"} seen a newer decision log`,
      help: "stop it, and put the newer log back; docs/operations.md, A decision log that is older than its participants",
    });
  if (diskFreeBytes !== undefined && diskFreeBytes < diskFreeBytesMin)
    troubles.push({
      what: `the disk of ${address} has ${bytesText(Number(diskFreeBytes))} free`,
      help: "docs/operations.md, A full disk",
    });
  const delayMs = durationMs(loopDelay) ?? 0;
  if (delayMs > loopDelayMsMax)
    troubles.push({
      what: `${address} is busy: its event loop is ${waitText(delayMs)} late`,
      help: "docs/operations.md, Overload",
    });
  const oldestMs = durationMs(coordinator?.oldestInDoubt) ?? 0;
  if (coordinator !== undefined && oldestMs > inDoubtMsMax)
    troubles.push({
      what: `${counted(coordinator.inDoubt, "transaction")} in doubt, the oldest for ${waitText(oldestMs)}`,
      help: `concord tx list --filter 'transaction.in_doubt'; concord diagnose ID`,
    });
  return troubles;
}

const ofParticipants = ({ participants }: Asked): readonly Trouble[] =>
  participants
    .filter(({ connected, unacknowledged }) => !connected && unacknowledged > 0)
    .map(({ participantId, unacknowledged }) => ({
      what: `participant ${participantId} is away, and owes ${counted(unacknowledged, "acknowledgement")}`,
      help: "start it, with its own log; docs/operations.md, A participant that does not acknowledge",
    }));

const ofSinks = ({ sinks }: Asked): readonly Trouble[] =>
  sinks.flatMap(({ name, state, deadLetters, lag, lastError }) => {
    const lagMs = durationMs(lag) ?? 0;
    const words = [
      ...(state === SinkState.DELIVERING ? [] : [`is ${state.replace("SINK_STATE_", "")}`]),
      ...(lagMs > sinkLagMsMax ? [`is ${waitText(lagMs)} behind`] : []),
      ...(deadLetters > 0 ? [`has ${counted(deadLetters, "dead letter")}`] : []),
    ];
    const cause = lastError === "" ? "" : ` (${lastError})`;
    const help = deadLetters > 0 ? `concord sink dead-letters ${name}` : "concord sink list";
    return words.length === 0 ? [] : [{ what: `sink ${name} ${words.join(", ")}${cause}`, help }];
  });
