import type { Config } from "../config.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { Logger } from "../runtime/logger.ts";
import type { StoreSet } from "../storage/sqlite/statement.ts";

import type { StartFailure } from "./part.ts";

/** What does not fit, and is gone on with. A refusal leaves what shows it as it was. */
export function checkStoreSet(set: StoreSet, config: Config, logger: Logger): Result<readonly string[], StartFailure> {
  const found = set.mismatches();
  const grave = found.filter(({ isMinor }) => !isMinor);
  if (grave.length > 0 && config.mixedStores === "refuse") {
    const lines = grave.map(({ message }) => `\n  ${message}`);
    const help =
      "Put the right file back, or restore all from one backup (concord restore). " +
      "To go on with them as they are: --mixed-stores accept. docs/operations.md, Stores that do not belong together.";
    return err({ message: `the stores do not belong together:${lines.join("")}\n${help}` });
  }
  for (const { message } of found) logger.warn({ mismatch: message }, "stores do not belong together; they go on as they are");
  return ok(found.map(({ message }) => message));
}
