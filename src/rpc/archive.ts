import { Workflow as WireWorkflow, WorkflowEvent as WireWorkflowEvent } from "../gen/concord/workflow/v1/workflow.ts";
import type { Turns } from "../kernel/turns.ts";
import { historyOf } from "../workflow/export.ts";
import type { Archive, WorkflowStore } from "../workflow/ports.ts";
import { eventToWire, workflowToWire } from "./convert-workflow.ts";
import { createHistoryLine } from "./history-line.ts";

type Lines = { append(text: string): Promise<void>; sync(): Promise<void> };

/** Writes what is to be purged as an export does: a line a workflow. */
export function createArchive({
  store,
  lines,
  turns,
}: {
  readonly store: WorkflowStore;
  readonly lines: Lines;
  readonly turns: Turns;
}): Archive {
  const line = createHistoryLine();
  return {
    async append(ids) {
      const breathe = turns();
      for (const id of ids) {
        const workflow = await store.get(id);
        if (workflow === undefined) continue;
        await lines.append(line.begin(WireWorkflow.fromPartial(workflowToWire(workflow))));
        for await (const { events } of historyOf(store, workflow, breathe)) {
          let text = "";
          for (const event of events) {
            const pause = breathe();
            if (pause !== undefined) await pause;
            text += line.event(WireWorkflowEvent.fromPartial(eventToWire(event)));
          }
          await lines.append(text);
        }
        await lines.append(line.end());
      }
      await lines.sync();
    },
  };
}
