import { Status } from "nice-grpc-common";
import { expect, test } from "vitest";
import { everything } from "../../../src/access/core/policy.ts";
import { WatchWorkflowEventsRequest } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import type { ParticipantId } from "../../../src/kernel/ids.ts";
import { createWorkflowService } from "../../../src/rpc/workflow-service.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createLogger } from "../../../src/runtime/logger.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { createWatch } from "../../../src/workflow/watch.ts";
import { event, workflow } from "../../support/storage-values.ts";
import { managerOver } from "../../support/workflow-manager.ts";

type Service = ReturnType<typeof createWorkflowService>;

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test("a watch whose next event is purged while it waits ends with REVISION_COMPACTED, and says where to go on", async () => {
  const memory = createMemoryWorkflowStore();
  let oldest = 1;
  const store: typeof memory = {
    ...memory,
    sequences: async () => ({ ...(await memory.sequences()), oldest }),
    listEvents: async (page) => {
      const { rows, ...rest } = await memory.listEvents(page);
      return { ...rest, rows: rows.filter(({ sequence }) => sequence >= oldest) };
    },
  };
  const turns = createTurns();
  const { watchWorkflowEvents }: Service = createWorkflowService({
    manager: managerOver(memory).manager as never,
    bulk: undefined as never,
    store,
    policies: undefined as never,
    watch: createWatch({ clock: systemClock, store, turns }),
    purges: undefined as never,
    participantId: "manager" as ParticipantId,
    clock: systemClock,
    turns,
    logger: createLogger({ level: "silent", format: "json" }),
    server: {
      version: "0",
      services: [],
      startedAtMs: 0,
      requestBytesMax: 0,
      workflowCountMax: 0,
      isHttpServed: false,
      hasSinks: false,
    },
  });
  const request = WatchWorkflowEventsRequest.fromPartial({ start: { $case: "afterSequence", value: 0n } });
  const context = { signal: new AbortController().signal, permission: everything } as unknown as Parameters<
    Service["watchWorkflowEvents"]
  >[1];
  const messages = watchWorkflowEvents(request, context)[Symbol.asyncIterator]();
  expect((await messages.next()).value).toMatchObject([{ body: { $case: "progress", value: { sequence: 0n } } }]);
  const next = messages.next();
  await turn();
  oldest = 3;
  await memory.apply({ puts: [], events: ["wf-1", "wf-2", "wf-3"].map((id) => event(workflow(id))) });
  await expect(next).rejects.toMatchObject({
    code: Status.OUT_OF_RANGE,
    extra: expect.arrayContaining([
      expect.objectContaining({ reason: "REVISION_COMPACTED", metadata: { oldest_sequence: "3" } }),
    ]),
  });
});
