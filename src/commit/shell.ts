import type { SeldomLog } from "../kernel/seldom.ts";
import type { Changes } from "./changes.ts";
import type { Chores } from "./chores.ts";
import type { Environment } from "./environment.ts";
import type { Ownership } from "./ownership.ts";
import type { Runs } from "./runs.ts";

/** What the parts around the core share. */
export type Shell = Environment & {
  readonly ownership: Ownership;
  readonly runs: Runs;
  readonly changes: Changes;
  readonly chores: Chores;
  readonly seldom: SeldomLog;
};
