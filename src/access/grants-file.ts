import { z } from "zod";
import { idPattern, idWords } from "../kernel/ids.ts";
import { type Role, roles, rolesWith } from "./core/methods.ts";
import type { Grant } from "./core/policy.ts";
import { grantCountMax, grantNameCountMax } from "./limits.ts";

const tooMany = `must name at most ${grantNameCountMax}`;

const principalWords = "must be 1 to 256 characters, a name or, with * at its end, all that begin so";

const patternText = (words: string, isName: (name: string) => boolean) =>
  z.string(words).refine((text) => isName(text.endsWith("*") ? text.slice(0, -1) : text) || text === "*", words);

const principal = patternText(principalWords, (name) => name.length > 0 && name.length <= 256 && !name.includes("*"));

export const principalsSchema = z
  .array(principal, "must be a list of principals")
  .min(1, "must name at least one principal")
  .max(grantNameCountMax, tooMany);

const typeWords = `must be the name of a type, "" for workflows without one, or, with * at its end, all that begin so; a name ${idWords}`;
const type = patternText(typeWords, (name) => name === "" || idPattern.test(name));

const idWordsLike = `must be an id or, with * at its end, all that begin so; an id ${idWords}`;
const participant = patternText(idWordsLike, (name) => idPattern.test(name));

const listOf = <Item extends z.ZodType>(item: Item, what: string) =>
  z
    .array(item, `must be a list of ${what}`)
    .min(1, "must name at least one; leave it out for all")
    .max(grantNameCountMax, tooMany);

const grant = z
  .strictObject({
    principals: principalsSchema,
    roles: z
      .array(z.enum(roles, `must be one of ${roles.join(", ")}`), "must be a list of roles")
      .min(1, "must name at least one role"),
    types: listOf(type, "types").optional(),
    id_prefix: z.string("must be a text").regex(idPattern, `must be how ids begin, and an id ${idWords}`).optional(),
    participants: listOf(participant, "ids of participants").optional(),
  })
  .superRefine((entry, context) => {
    const wrong = (key: string, message: string): void => context.addIssue({ code: "custom", path: [key], message });
    const has = (...names: readonly Role[]): boolean => entry.roles.some((role) => names.includes(role));
    const narrows = (names: ReadonlySet<Role>): boolean => entry.roles.some((role) => role === "admin" || names.has(role));
    if (has("participant", "manager") && entry.participants === undefined)
      wrong("participants", `is required with the role participant or manager: the ids under which it may say Hello`);
    if (entry.participants !== undefined && !narrows(byParticipants))
      wrong("participants", `narrows nothing that ${entry.roles.join(", ")} may do; leave it out`);
    for (const key of ["types", "id_prefix"] as const) {
      if (entry[key] === undefined) continue;
      if (!narrows(byWorkflows)) wrong(key, `narrows nothing that ${entry.roles.join(", ")} may do; leave it out`);
      else if (has("manager")) wrong(key, "does not go with manager, which serves all workflows; grant that by itself");
      else if (key === "id_prefix" && has("rule-author", "rule-activator"))
        wrong(key, "does not go with rule-author or rule-activator: rules know types and no prefixes; grant those by themselves");
    }
  });

const byParticipants: ReadonlySet<Role> = new Set([...rolesWith("participants"), ...rolesWith("session")]);
const byWorkflows: ReadonlySet<Role> = new Set([...rolesWith("workflows"), ...rolesWith("rules")]);

/** The `grants` of an access file. */
export const grantsSchema = z
  .array(grant, "must be a list of grants")
  .max(grantCountMax, `must have at most ${grantCountMax} grants`);

export const grantsOf = (entries: z.output<typeof grantsSchema>): readonly Grant[] =>
  entries.map(({ principals, roles: granted, types, id_prefix: idPrefix = "", participants }) => ({
    principals,
    roles: granted,
    types,
    idPrefix,
    participants,
  }));
