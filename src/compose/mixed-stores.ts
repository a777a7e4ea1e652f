import type { Config } from "../config.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { Logger } from "../runtime/logger.ts";
import { marksAtRest } from "../storage/sqlite/marks-at-rest.ts";
import type { StoreSet } from "../storage/sqlite/statement.ts";
import type { StoreKind } from "../storage/sqlite/store-kind.ts";
import { mismatches, missing } from "../storage/sqlite/store-marks.ts";

import { type StartFailure, type StoreName, storePath } from "./part.ts";

const kinds: Readonly<Record<StoreName, StoreKind>> = {
  predicate: "rules",
  commit: "decision-log",
  workflow: "workflows",
  verdicts: "verdicts",
  events: "sinks",
};

/** Before any of them is opened: a refusal leaves all as it was, and what is missing is not made. */
export function refuseMixedStores(config: Config, names: readonly StoreName[]): Result<void, StartFailure> {
  if (config.mixedStores === "accept") return ok(undefined);
  const looked = names.map((name) => {
    const isTakenOver = name === "commit" && config.decisionLog === "take-over";
    return {
      path: storePath(config, name),
      kind: kinds[name],
      ...marksAtRest(storePath(config, name), kinds[name], isTakenOver),
    };
  });
  const stores = looked.flatMap((each) => (each.type === "store" ? [each.store] : []));
  const gone = looked.flatMap((each) => (each.type === "missing" ? missing(each, stores) : []));
  return refusalOf([...gone, ...mismatches(stores)]);
}

/** What does not fit, and is gone on with. Of what is opened: what could not be looked at before is refused here. */
export function checkStoreSet(set: StoreSet, config: Config, logger: Logger): Result<readonly string[], StartFailure> {
  const found = set.mismatches();
  const refused = config.mixedStores === "refuse" ? refusalOf(found) : ok(undefined);
  if (!refused.ok) return refused;
  for (const { message } of found) logger.warn({ mismatch: message }, "stores do not belong together; they go on as they are");
  return ok(found.map(({ message }) => message));
}

function refusalOf(found: ReturnType<typeof mismatches>): Result<void, StartFailure> {
  const grave = found.filter(({ isMinor }) => !isMinor);
  if (grave.length === 0) return ok(undefined);
  const lines = grave.map(({ message }) => `\n  ${message}`);
  const help =
    "Put the right file back, or restore all from one backup (concord restore). " +
    "To go on with them as they are: --mixed-stores accept. docs/operations.md, Stores that do not belong together.";
  return err({ message: `the stores do not belong together:${lines.join("")}\n${help}` });
}
