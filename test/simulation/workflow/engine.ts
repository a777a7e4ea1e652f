import { PredicateLogicDefinition } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { createEngine } from "../../../src/predicate/engine.ts";
import { createEvaluator } from "../../../src/predicate/evaluator.ts";
import { createRunTests } from "../../../src/predicate/run-tests.ts";
import { createPredicateService } from "../../../src/rpc/predicate-service.ts";
import { unhurried } from "../../support/unhurried.ts";
import { fillDisk, setClock, stopProcess } from "../process-blows.ts";
import { idle, type Room } from "../room.ts";
import type { Process } from "../schedule.ts";
import type { Stage } from "../stage.ts";
import { endOfStart } from "../unreadable.ts";
import { inPlaceJudges } from "./in-place-judges.ts";
import { quietLogger } from "./logger.ts";
import type { Rpc, Served } from "./rpc.ts";
import { createRuleDisk } from "./rule-disk.ts";

type Running = { readonly process: Process; served: Served | undefined };

export type EngineRoom = Room & {
  /** The rules that were active at each revision, by their ids. */
  readonly revisions: ReadonlyMap<number, readonly string[]>;
  /** Who serves its address now. */
  served(): Served | undefined;
};

/** The production predicate engine: one process after the other, over one file. */
export function createEngineRoom(stage: Stage, rpc: Rpc): EngineRoom {
  const { schedule, dice, tally, say } = stage;
  const revisions = new Map<number, readonly string[]>([[0, []]]);
  let running: Running | undefined;
  const { disk, open } = createRuleDisk(stage, ({ number, active }, by) => {
    revisions.set(number, active);
    say(`${by.name}  makes durable revision ${number} of the rules: ${active.join(" ")}`);
    tally.count("rule changes");
    if (running?.process !== by || !dice.chance(stage.swarm.crashBetween)) return;
    tally.count("engine crashes after a durable change");
    crash();
  });

  function start(): void {
    const process = stage.process("engine");
    const actor: Running = { process, served: undefined };
    running = actor;
    say("engine starts");
    serve(actor).catch((error: unknown) => endOfStart(stage, process, error, crash));
  }

  async function serve(actor: Running): Promise<void> {
    const { process } = actor;
    const store = open(process);
    const { clock } = process;
    const evaluator = createEvaluator({ judges: inPlaceJudges, turns: unhurried, clock });
    const runTests = createRunTests({ evaluator, turns: unhurried });
    const engine = await createEngine({ store, clock, evaluator, runTests, turns: unhurried });
    const logger = quietLogger(stage, "engine");
    const handlers = createPredicateService({ engine, turns: unhurried, clock, logger, verdicts: undefined });
    actor.served = rpc.serve(process, PredicateLogicDefinition, handlers);
  }

  function crash(): void {
    if (!running) return;
    const { process } = running;
    say("engine dies");
    running = undefined;
    process.kill();
    schedule.after(dice.between(0, 3_000), start);
  }

  return {
    ...idle,
    revisions,
    served: () => running?.served,
    blows: {
      "crash engine": crash,
      "stop engine": () => stopProcess(stage, running?.process),
      "fill disk of engine": () => fillDisk(stage, disk),
      "set clock of engine": () => setClock(stage, running?.process),
    },
    open: start,
  };
}
