import { SinkState } from "../../gen/concord/workflow/v1/sink.ts";
import { counted } from "../../kernel/text.ts";
import { durationMs } from "../../rpc/duration.ts";
import { bytesText, waitText } from "../output.ts";
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
  const { failure, status, address } = asked;
  return [
    ...(failure === undefined ? [] : [{ what: failure, help: "docs/operations.md, Health" }]),
    ...(status === undefined ? [] : ofStatus(address, status)),
    ...ofParticipants(asked),
    ...ofSinks(asked),
  ];
}

function ofStatus(
  address: string,
  { services, peers, loopDelay, diskFreeBytes, coordinator, storeMismatches }: NonNullable<Asked["status"]>,
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
        help: `concord status --also ${where}`,
      });
  }
  for (const mismatch of storeMismatches) {
    const help = "docs/operations.md, Stores that do not belong together";
    troubles.push({ what: `${address} goes on with stores that do not belong together: ${mismatch}`, help });
  }
  const free = Number(diskFreeBytes);
  if (free > 0 && free < diskFreeBytesMin)
    troubles.push({ what: `the disk of ${address} has ${bytesText(free)} free`, help: "docs/operations.md, A full disk" });
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
