import { PredicateLogicDefinition } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { createEngine } from "../../../src/predicate/engine.ts";
import { createEvaluator } from "../../../src/predicate/evaluator.ts";
import type { RuleStore } from "../../../src/predicate/ports.ts";
import { createRunTests } from "../../../src/predicate/run-tests.ts";
import { createPredicateService } from "../../../src/rpc/predicate-service.ts";
import { createMemoryRuleStore } from "../../../src/storage/memory/rule-store.ts";
import { unhurried } from "../../support/unhurried.ts";
import type { OpenDisk } from "../disk.ts";
import { setClock, stopProcess } from "../process-blows.ts";
import { idle, type Room } from "../room.ts";
import type { Process } from "../schedule.ts";
import type { Stage } from "../stage.ts";
import { openRuleStore } from "./durable-stores.ts";
import { inPlaceJudges } from "./in-place-judges.ts";
import { quietLogger } from "./logger.ts";
import type { Rpc, Served } from "./rpc.ts";

type Running = { readonly process: Process; readonly disk: OpenDisk; served: Served | undefined };

export type EngineRoom = Room & {
  /** What is durable. */
  readonly rules: RuleStore;
  /** The rules that were active at each revision, by their ids. */
  readonly revisions: ReadonlyMap<number, readonly string[]>;
  /** Who serves its address now. */
  served(): Served | undefined;
};

/** The production predicate engine: one process after the other, over one durable store. */
export function createEngineRoom(stage: Stage, rpc: Rpc): EngineRoom {
  const { schedule, dice, tally, say, onFailure } = stage;
  const rules = createMemoryRuleStore(() => schedule.nowMs);
  const revisions = new Map<number, readonly string[]>([[0, []]]);
  let running: Running | undefined;

  async function start(): Promise<void> {
    const process = stage.process("engine");
    const disk = stage.disk(process);
    const actor: Running = { process, disk, served: undefined };
    running = actor;
    say("engine starts");
    const store = openRuleStore(rules, actor, async ({ revision, kind }) => {
      const contents = await rules.contentsAt(revision);
      revisions.set(revision, contents?.active.map(({ id }) => id) ?? []);
      say(`engine  revision ${revision}: ${kind}`);
      tally.count("rule changes");
      if (!dice.chance(stage.swarm.crashBetween)) return;
      tally.count("engine crashes after a durable change");
      crash();
    });
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
    const { process, disk } = running;
    say("engine dies");
    running = undefined;
    process.kill();
    disk.crash();
    schedule.after(dice.between(0, 3_000), () => start().catch(onFailure));
  }

  return {
    ...idle,
    rules,
    revisions,
    served: () => running?.served,
    blows: {
      "crash engine": crash,
      "stop engine": () => stopProcess(stage, running?.process),
      "set clock of engine": () => setClock(stage, running?.process),
    },
    open: () => void start().catch(onFailure),
  };
}
