import type { RuleStore } from "../../../src/predicate/ports.ts";
import { ruleSchema, sqliteRuleStore } from "../../../src/storage/sqlite/rule-store.ts";
import { unhurried } from "../../support/unhurried.ts";
import type { Process } from "../schedule.ts";
import type { SqliteDisk } from "../sqlite-disk.ts";
import { lookingAt } from "../sqlite-rows.ts";
import type { Stage } from "../stage.ts";

/** A revision of the rule set that is durable: the rules that are active in it, by their ids. */
export type Revision = { readonly number: number; readonly active: readonly string[] };

export type RuleDisk = { readonly disk: SqliteDisk; open(process: Process): RuleStore };

/** The production store on a simulated disk, and who is told of each revision that becomes durable there, before anybody can know of it. */
export function createRuleDisk(stage: Stage, onRevision: (revision: Revision, by: Process) => void): RuleDisk {
  const disk = stage.sqliteDisk("rules.sqlite", ruleSchema);
  const durable = lookingAt(disk);
  let newest = 0;

  disk.onCommit((by) => {
    const now = Number(durable.read("SELECT revision FROM rule_set")[0]?.["revision"]);
    while (newest < now) {
      newest += 1;
      const active = durable.read(selectActive, newest, newest).map((row) => row["name"] as string);
      onRevision({ number: newest, active }, by);
    }
  });

  return {
    disk,
    open(process) {
      const store = sqliteRuleStore(stage.open(disk, process), unhurried);
      return { ...store, ...(stage.keptBeforeMs && { keptBeforeMs: stage.keptBeforeMs }) };
    },
  };
}

const selectActive = `SELECT name FROM members
  WHERE kind = 'RULE' AND role = 'ACTIVE' AND from_revision <= ? AND to_revision > ? ORDER BY name`;
