import { ClientError } from "nice-grpc-common";
import type { WorkflowEvent as WireEvent } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import {
  WatchPosition,
  type WorkflowServiceClient,
  WorkflowServiceDefinition,
} from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { durationToWire } from "../../../src/rpc/duration.ts";
import { clientFailure } from "../../../src/rpc/errors.ts";
import { bothWays, cutCable, restoreCable } from "../cables.ts";
import { createCable } from "../network.ts";
import { idle, type Room } from "../room.ts";
import type { Stage } from "../stage.ts";
import type { Chronicle } from "./chronicle.ts";
import type { ManagerRoom } from "./manager.ts";
import type { Rpc } from "./rpc.ts";

type Watcher = {
  readonly name: string;
  /** Empty: all. */
  readonly workflowId: string;
  readonly isSlow: boolean;
  /** Every event up to here was told. Undefined: it has not begun. */
  cursor: number | undefined;
};

/**
 * Those that follow the events, from one manager to the next. What they are told is the log: in its order, without a gap, and never what is
 * not durable; or that it was purged.
 */
export function createWorkflowWatchers(
  stage: Stage,
  options: {
    readonly rpc: Rpc;
    readonly manager: Pick<ManagerRoom, "served">;
    readonly chronicle: Chronicle;
    readonly count: number;
  },
): Room {
  const { rpc, manager, chronicle, count } = options;
  const { dice, tally, world, fail, onFailure } = stage;
  const cable = createCable();
  const client = rpc.client<WorkflowServiceClient>({
    ...{ from: world, cable, definition: WorkflowServiceDefinition, server: manager.served },
  });
  const watchers = Array.from({ length: count }, (_, index): Watcher => {
    const workflowId = dice.chance(0.3) ? `w${dice.between(1, 3)}` : "";
    return { name: `watcher${index + 1}`, workflowId, isSlow: dice.chance(0.4), cursor: undefined };
  });

  /** What it is to be told next. */
  const nextOf = ({ workflowId, cursor = 0 }: Watcher) =>
    chronicle.events.find((event) => event.sequence > cursor && (workflowId === "" || event.workflowId === workflowId));

  function onEvent(watcher: Watcher, told: WireEvent): void {
    const next = nextOf(watcher);
    const is = `event ${told.sequence} of ${told.workflowId}`;
    const isNext =
      next !== undefined &&
      Number(told.sequence) === next.sequence &&
      told.eventId === next.id &&
      told.workflowId === next.workflowId &&
      Number(told.version) === next.version;
    if (!isNext) fail(`NoEventSkipped: ${watcher.name} is told ${is}, and the next is ${next?.sequence} of ${next?.workflowId}`);
    tally.count("events told to watchers");
    watcher.cursor = Number(told.sequence);
  }

  function onProgress(watcher: Watcher, sequence: number): void {
    const next = nextOf(watcher);
    if (sequence > chronicle.events.length)
      fail(`NoEventSkipped: ${watcher.name} is told progress to ${sequence}, which is not written`);
    if (watcher.cursor !== undefined && next !== undefined && next.sequence <= sequence) {
      fail(`NoEventSkipped: ${watcher.name} is told progress to ${sequence}, and not event ${next.sequence}`);
    }
    watcher.cursor = Math.max(watcher.cursor ?? 0, sequence);
  }

  async function follow(watcher: Watcher): Promise<void> {
    const { cursor, workflowId, isSlow } = watcher;
    const leaving = new AbortController();
    if (dice.chance(0.3)) world.after(dice.between(0, 20_000), () => leaving.abort());
    const oldest = { $case: "position" as const, value: WatchPosition.OLDEST_AVAILABLE };
    const start = cursor === undefined ? oldest : { $case: "afterSequence" as const, value: BigInt(cursor) };
    const request = { workflowId, start, progressInterval: durationToWire(5_000) };
    for await (const { body } of client.watchWorkflowEvents(request, { signal: leaving.signal })) {
      if (body?.$case === "event") onEvent(watcher, body.value);
      if (body?.$case === "progress") onProgress(watcher, Number(body.value.sequence));
      if (isSlow && !stage.isCalm) await world.sleep(dice.between(0, 3_000));
    }
  }

  async function watch(watcher: Watcher): Promise<void> {
    for (;;) {
      const why = await follow(watcher).then(
        () => "over",
        (error: unknown) => {
          if (error instanceof DOMException) return "left";
          if (!(error instanceof ClientError)) throw error;
          return clientFailure(error).reason ?? "broken";
        },
      );
      tally.count(`watches of workflows ended: ${why}`);
      if (why === "REVISION_COMPACTED") onPurged(watcher);
      await world.sleep(dice.between(10, 3_000));
    }
  }

  /** It begins anew with what is kept. */
  function onPurged(watcher: Watcher): void {
    const { name, cursor } = watcher;
    if (cursor !== undefined && cursor >= chronicle.oldest - 1)
      fail(`NoEventSkipped: ${name} is told that events after ${cursor} are purged, and the oldest is ${chronicle.oldest}`);
    watcher.cursor = undefined;
  }

  return {
    ...idle,
    blows: {
      "cut the watchers' cable": () => cutCable(stage, cable, "watchers", [dice.pick(bothWays)]),
    },
    open() {
      for (const watcher of watchers) world.after(dice.between(0, 10_000), () => void watch(watcher).catch(onFailure));
    },
    heal: () => restoreCable(cable),
    async unsettled() {
      const behind = watchers.filter((watcher) => watcher.cursor === undefined || nextOf(watcher) !== undefined);
      return behind.map(({ name, cursor }) => `${name} is at ${cursor} of ${chronicle.events.length}`);
    },
  };
}
