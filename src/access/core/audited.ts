import { methodRules, type Role } from "./methods.ts";

/** What those who use workflows and transactions do all the time: the events of the workflows, and the decision log, say who did it. */
const dayToDay: readonly Role[] = ["client", "participant", "manager"];

const changing =
  /\/(Start|Pause|Resume|Cancel|Resolve|Set|Delete|Purge|Reset|Retry|Discard|Create|Update|Activate|Deactivate|Shadow|Deprecate|Apply|Rollback|Forget)[A-Z]\w+$/;

/** The changes by operators and authors of rules, which an audit log has each of: by their paths in HTTP/2. A test holds it against the descriptors. */
export const auditedMethods: ReadonlySet<string> = new Set(
  [...methodRules].flatMap(([path, { roles }]) =>
    changing.test(path) && !roles.some((role) => dayToDay.includes(role)) ? [path] : [],
  ),
);
