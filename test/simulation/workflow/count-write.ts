import { policyActor } from "../../../src/workflow/core/deadline.ts";
import type { Tally } from "../tally.ts";
import type { ManagerWrite } from "./workflow-disk.ts";

/** What becomes durable at the workflow manager, by its kind. */
export function countWrite(tally: Tally, written: ManagerWrite): void {
  switch (written.type) {
    case "conflict":
      tally.count(`manager's conflicts: ${written.conflict.type}`);
      break;
    case "purge":
      for (const _ of written.workflows) tally.count(written.byPolicy ? "workflows purged by their policy" : "workflows purged");
      break;
    case "policy":
      tally.count("policies durable");
      break;
    case "forgotten":
      tally.count("purges of remembered answers");
      break;
    default: {
      const { batch, events } = written;
      for (const { type, transactionId, deadline } of events) {
        tally.count(`events: ${type}`);
        if (deadline?.setBy === policyActor) tally.count("deadlines of policies");
        if (transactionId !== undefined) tally.count("events of transactions");
      }
      if (events.length > 1) tally.count("writes of several events");
      const held = batch.puts.filter(({ workflow: { hold } }) => hold !== undefined);
      if (held.length > 0) tally.count("holds");
      if (held.length > 1) tally.count("holds of several workflows");
      if (batch.outcome) tally.count(`outcomes at the manager: ${batch.outcome.outcome}`);
    }
  }
}
