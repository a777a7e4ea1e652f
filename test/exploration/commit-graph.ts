import type { Tlc } from "../../scripts/verify/tlc.ts";
import { type SpecCoordinator, type SpecState, specKey } from "./spec.ts";
import { type Graph, readGraph, type Value } from "./tlc-graph.ts";
import type { Constants } from "./world.ts";

/** The whole state graph of specs/TwoPhaseCommit.tla. */
export function readCommitGraph(tlc: Tlc, constants: Constants): Promise<Graph> {
  return readGraph(tlc, {
    module: "TwoPhaseCommit",
    needs: ["AtomicCommit"],
    cfg: configOf(constants),
    keyOf: (read) => specKey(toState(read, constants)),
  });
}

export function configOf({ participants, maxEpoch, maxPartCrash, may }: Constants): string {
  return `CONSTANTS
  Participants = {${participants.join(", ")}}
  MaxEpoch = ${maxEpoch}
  MaxPartCrash = ${maxPartCrash}
  MaxLoss = 0
  May = {${may.map((whim) => `"${whim}"`).join(", ")}}
SPECIFICATION Spec
CHECK_DEADLOCK FALSE
`;
}

function toState(of: (variable: string) => Value, { participants }: Constants): SpecState {
  const set = (value: Value | undefined): string[] => [...(value as readonly string[])].sort();
  const log = of("log") as { readonly [field: string]: Value };
  const part = of("part") as { readonly [field: string]: Value };
  return {
    log: {
      rec: log["rec"] as SpecState["log"]["rec"],
      epoch: log["epoch"] as number,
      voters: set(log["voters"]),
      lost: set(log["lost"]),
    },
    fence: of("fence") as number,
    coord: (of("coord") as readonly { readonly [field: string]: Value }[]).map((each) => ({
      phase: each["phase"] as SpecCoordinator["phase"],
      yes: set(each["yes"]),
      ro: set(each["ro"]),
      acks: set(each["acks"]),
      lost: set(each["lost"]),
    })),
    part: participants.map((name) => part[name]) as SpecState["part"],
    up: set(of("up")),
    net: (of("net") as readonly (readonly string[])[]).map(([type, to]) => `${type} ${to}`).sort(),
    client: of("client") as SpecState["client"],
    crashes: of("crashes") as number,
    taken: set(of("taken")),
  };
}
