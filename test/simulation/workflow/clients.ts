import { ClientError } from "nice-grpc-common";
import { WorkflowServiceDefinition } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { allowedMoves, isTerminal, type WorkflowState, workflowStates } from "../../../src/kernel/lifecycle.ts";
import { clientFailure } from "../../../src/rpc/errors.ts";
import { createCable } from "../network.ts";
import type { Orders } from "../orders.ts";
import { type Behaviour, behaviours } from "../resource.ts";
import { idle, type Room } from "../room.ts";
import type { Stage } from "../stage.ts";
import type { WorkflowLoad } from "./load.ts";
import type { ManagerRoom } from "./manager.ts";
import type { Rpc } from "./rpc.ts";
import { type Answer, ask, type Shown, type Verb } from "./verbs.ts";

/** One request of one client, however often it is asked. `by` names it in the events that come of it. */
export type Request = { readonly by: string; readonly id: string; readonly verb: Verb };

/** What a call has come to: an answer; a refusal, by its reason; or nobody knows. */
export type Heard = { readonly answer: Answer } | { readonly refused: string } | "unknown";

/** Who hears what clients are told, when they are. */
export type OnHeard = {
  readonly asked: (request: Request) => number;
  readonly heard: (call: number, heard: Heard) => void;
};

/** After these nothing is known: the change may have been made, or may still be. */
const unknown: ReadonlySet<string> = new Set([
  "OUTCOME_PENDING",
  "STORAGE_UNAVAILABLE",
  "SHUTTING_DOWN",
  "COORDINATOR_UNAVAILABLE",
]);

/** To be asked again: nothing was done, for a reason that passes. */
const passing: ReadonlySet<string> = new Set([
  "IN_TRANSITION",
  "PREDICATE_LOGIC_UNAVAILABLE",
  "OVERLOADED",
  "TRANSACTION_ABORTED",
]);

/** A client that nothing hinders any more has its answer by then. */
const calmCallCountMax = 40;

/** Those that use workflows, each one thing after the other; and those of their requests that can be asked again, until there is an answer. */
export function createWorkflowClients(
  stage: Stage,
  options: {
    readonly rpc: Rpc;
    readonly manager: Pick<ManagerRoom, "served">;
    readonly participants: readonly string[];
    readonly orders: Orders;
    readonly load: WorkflowLoad;
    readonly onHeard: OnHeard;
  },
): Room {
  const { rpc, manager, participants, orders, load, onHeard } = options;
  const { dice, tally, world, say, onFailure } = stage;
  const cable = createCable();
  const client = rpc.client<Parameters<typeof ask>[0]>({
    ...{ from: world, cable, definition: WorkflowServiceDefinition, server: manager.served, mayRepeat: true },
  });
  const ids = Array.from({ length: load.workflowCount }, (_, index) => `w${index + 1}`);
  /** What anybody was shown last: they tell each other. */
  const seen = new Map<string, Shown>();
  let open = 0;
  let made = 0;

  /** One call, over the network. */
  async function call(request: Request): Promise<Heard> {
    const hangUp = new AbortController();
    if (dice.chance(stage.swarm.leaving)) {
      tally.count("workflow clients that left");
      world.after(dice.between(0, 3_000), () => hangUp.abort());
    }
    const place = onHeard.asked(request);
    const heard = await ask(
      client,
      request.verb,
      { requestId: request.id, requestedBy: request.by },
      {
        signal: hangUp.signal,
        deadline: dice.pick([2_000, 10_000, 30_000]),
      },
    ).then((answer): Heard => ({ answer }), heardOf);
    onHeard.heard(place, heard);
    say(`${request.by}  ${wordsOf(request.verb)}: ${wordsOfHeard(heard)}`);
    tally.count(`workflow calls: ${request.verb.type}`);
    tally.count(
      `workflow clients told: ${typeof heard === "string" ? heard : "refused" in heard ? heard.refused.split(" ")[0] : "OK"}`,
    );
    return heard;
  }

  /** Until there is an answer, if it can be asked again. */
  async function run(verb: Verb): Promise<Heard> {
    made += 1;
    const isChange = !["get", "list", "count", "wait", "purge"].includes(verb.type);
    const isRepeatable = isChange && dice.chance(load.repeatable);
    const request = { by: `op${made}`, id: isRepeatable ? `q${made}` : "", verb };
    for (let calmCalls = 0; ; ) {
      if (stage.isCalm) calmCalls += 1;
      const heard = await call(request);
      const isOver = heard !== "unknown" && !("refused" in heard && passing.has(heard.refused));
      if (isOver || !isRepeatable || calmCalls >= calmCallCountMax) {
        if (isOver && isRepeatable && dice.chance(0.2)) {
          tally.count("workflow calls repeated after an answer");
          await call(request);
        }
        return heard;
      }
      tally.count("workflow calls repeated");
      await world.sleep(dice.between(100, 5_000));
    }
  }

  async function use(): Promise<void> {
    for (let left = load.callsEach; left > 0; left -= 1) {
      await world.sleep(dice.between(0, load.gapMs));
      const heard = await run(draw());
      if (heard !== "unknown" && "answer" in heard) for (const each of heard.answer.shown) seen.set(each.id, each);
    }
  }

  /** One that is over makes room for another one, mostly. */
  function someId(): string {
    const place = dice.between(0, ids.length - 1);
    const state = seen.get(ids[place] ?? "")?.state;
    if (state !== undefined && isTerminal(state) && dice.chance(0.8)) ids[place] = `w${place + 1}.${made}`;
    return ids[place] ?? "";
  }

  function draw(): Verb {
    const id = someId();
    const known = seen.get(id);
    const expected = known !== undefined && dice.chance(load.versioned) ? known.version : undefined;
    if (known === undefined && dice.chance(0.8)) {
      return { type: "create", id, locked: dice.chance(0.4), started: dice.chance(0.7), orFind: dice.chance(0.5) };
    }
    if (dice.chance(load.batches)) return drawBatch();
    if (dice.chance(load.deadlines * 0.4)) {
      const afterMs = dice.chance(0.7) ? dice.pick([1, 3_000, 20_000]) : undefined;
      return { type: "deadline", id, afterMs, to: targetOf(known), expected };
    }
    if (dice.chance(load.purges * 0.2)) return { type: "purge" };
    switch (dice.between(0, 9)) {
      case 0:
        return { type: "get", id };
      case 1:
        return dice.chance(0.5) ? { type: "list" } : { type: "count" };
      case 2:
        return { type: "update", id, locked: dice.chance(0.5), expected };
      case 3:
        return { type: "recover", id, expected };
      case 4:
        return { type: "wait", id, version: Math.max(1, (known?.version ?? 0) + dice.between(0, 2)) };
      default: {
        const deadlineMs = dice.chance(load.deadlines * 0.5) ? dice.pick([1_000, 20_000]) : undefined;
        return { type: "move", id, to: targetOf(known), expected, deadlineMs, order: drawOrder() };
      }
    }
  }

  function drawBatch(): Verb {
    const chosen = ids.filter(() => dice.chance(0.6));
    const items = (chosen.length === 0 ? ids.slice(0, 1) : chosen).map((id) => {
      const known = seen.get(id);
      return { id, to: targetOf(known), expected: known && dice.chance(load.versioned) ? known.version : undefined };
    });
    return { type: "batch", items, order: drawOrder() };
  }

  /** Work of others that is done together with moves, in the payload of which stands what each of them answers. */
  function drawOrder() {
    if (!dice.chance(load.together)) return undefined;
    const parts = participants
      .filter(() => dice.chance(0.5))
      .map((name): [string, Behaviour] => [name, dice.chance(0.9) ? "commit" : dice.pick(behaviours)]);
    return parts.length === 0 ? undefined : orders.add(new Map(parts), false);
  }

  /** Mostly a move that there is. */
  function targetOf(known: Shown | undefined): WorkflowState {
    const state = known?.state ?? "ACTIVE";
    return isTerminal(state) || dice.chance(0.1) ? dice.pick(workflowStates.slice(1)) : dice.pick(allowedMoves(state));
  }

  async function begin(work: () => Promise<unknown>): Promise<void> {
    open += 1;
    await work();
    open -= 1;
  }

  return {
    ...idle,
    open() {
      for (let left = load.clientCount; left > 0; left -= 1) {
        world.after(dice.between(0, stage.chaosMs / 2), () => void begin(use).catch(onFailure));
      }
    },
    unsettled: async () => (open > 0 ? [`${open} clients of workflows wait`] : []),
    async probe() {
      const id = `probe${made}`;
      const heard = await run({ type: "create", id, locked: false, started: false, orFind: false });
      return heard !== "unknown" && "answer" in heard;
    },
  };
}

function heardOf(error: unknown): Heard {
  // It has left by itself.
  if (error instanceof DOMException) return "unknown";
  if (!(error instanceof ClientError)) throw error;
  const { reason, metadata } = clientFailure(error);
  if (reason === undefined || unknown.has(reason)) return "unknown";
  return { refused: reason === "VERSION_MISMATCH" ? `${reason} ${metadata["current_version"]}` : reason };
}

const wordsOf = (verb: Verb): string =>
  JSON.stringify(verb, (key, value: unknown) => (key === "order" ? (value === undefined ? undefined : "…") : value));

function wordsOfHeard(heard: Heard): string {
  if (heard === "unknown") return heard;
  if ("refused" in heard) return heard.refused;
  const { shown, items, purged, counts } = heard.answer;
  return [
    "OK",
    ...shown.map(({ id, state, version }) => `${id} ${state} ${version}`),
    ...(items ?? []),
    ...(purged ?? []),
    counts ?? "",
  ].join(" ");
}
