import type { Seen } from "./network.ts";
import type { Tally } from "./tally.ts";

/** Counts what is said between coordinators and participants. */
export function countMessages(tally: Tally): Seen {
  const decisionsSent = new Set<string>();
  return (participant, message) => {
    switch (message.type) {
      case "vote":
        tally.count(`votes: ${message.value}`);
        break;
      case "inquiry":
        tally.count("inquiries");
        break;
      case "nack":
        tally.count("nacks");
        break;
      case "hello":
        if (message.inDoubt.length > 0) tally.count("reconnects in doubt");
        break;
      case "welcome":
        if (message.coordinatorId === "stranger") tally.count("strangers asked about promises");
        break;
      case "prepare":
        if (message.onePhase) tally.count("one-phase prepares");
        if (message.attempt > 1) tally.count("prepares sent again");
        break;
      case "decision": {
        const key = `${participant} ${message.transactionId}`;
        tally.count(decisionsSent.has(key) ? "decisions sent again" : `decisions: ${message.outcome}`);
        decisionsSent.add(key);
        break;
      }
      default:
    }
  };
}
