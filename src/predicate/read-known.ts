import type { RuleId } from "../kernel/ids.ts";
import type { Breathe } from "../kernel/turns.ts";
import type { Description, Known, RuleDescribed } from "./core/rule-set/apply.ts";
import { type ItemSource, nameOf } from "./core/rule-set/items.ts";
import { saysSame } from "./core/rule-set/same.ts";
import type { Rule, RuleSetContents, RuleVersion } from "./core/types.ts";
import type { RuleStore } from "./ports.ts";

/** In their newest version, those that there are. */
export async function readRules(store: RuleStore, ids: Iterable<RuleId>, breathe: Breathe): Promise<ReadonlyMap<RuleId, Rule>> {
  const rules = new Map<RuleId, Rule>();
  for (const id of ids) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const rule = await store.rule(id, undefined);
    if (rule !== undefined) rules.set(id, rule);
  }
  return rules;
}

/** What the store says of what is described. */
export async function readKnown(
  store: RuleStore,
  contents: RuleSetContents,
  { rules: described, items }: Description,
  breathe: Breathe,
): Promise<Known> {
  const judging = [...contents.active, ...contents.shadow];
  const rules = await readRules(store, new Set([...described, ...judging].map(({ id }) => id)), breathe);
  const sameVersion = new Map<RuleDescribed, RuleVersion>();
  const neverUsed = new Map<RuleId, readonly number[]>();
  const used = Map.groupBy(judging, ({ id }) => id);
  for (const each of described) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const rule = rules.get(each.id);
    if (rule === undefined) continue;
    const near = [rule.version, ...(used.get(each.id) ?? [])].find((version) => saysSame(each.source, version));
    const same = near ?? (await findVersion(store, each, breathe));
    if (same !== undefined) sameVersion.set(each, same);
    else neverUsed.set(each.id, await store.versionsNeverUsed(each.id));
  }
  const latestVersion = new Map<ItemSource, number>();
  for (const item of items) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    latestVersion.set(item, await store.latestVersion(item.kind, nameOf(item)));
  }
  return { rules, sameVersion, neverUsed, latestVersion };
}

/** Some texts of 16 KiB at a time. */
const versionsReadMax = 50;

/** The newest that says this, among all that are kept. */
async function findVersion(store: RuleStore, { id, source }: RuleDescribed, breathe: Breathe): Promise<RuleVersion | undefined> {
  let beforeVersion: number | undefined;
  do {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const page = await store.listVersions({ id, beforeVersion, limit: versionsReadMax });
    const same = page.rows.find(({ version }) => saysSame(source, version));
    if (same !== undefined) return same.version;
    beforeVersion = page.upTo;
  } while (beforeVersion !== undefined);
  return undefined;
}
