import type { WorkflowId } from "../../kernel/ids.ts";
import type { WorkflowOrder, WorkflowPlace } from "../../workflow/ports.ts";
import { invalidField } from "../errors.ts";

const sortKeys = { id: "id", created_at: "created", updated_at: "updated", version: "version" } as const;

const inWords = `must be one of ${Object.keys(sortKeys).join(", ")}, and after a space asc or desc, such as "updated_at desc"`;

/** `ListWorkflowsRequest.order_by`. */
export function orderOf(orderBy: string): WorkflowOrder {
  const [field = "", direction = "asc", ...more] = orderBy === "" ? ["id"] : orderBy.trim().split(/ +/);
  const by = Object.hasOwn(sortKeys, field) ? sortKeys[field as keyof typeof sortKeys] : undefined;
  if (by === undefined || more.length > 0 || (direction !== "asc" && direction !== "desc"))
    throw invalidField("order_by", `${inWords}; it is "${orderBy}"`);
  return { by, descending: direction === "desc" };
}

/** A place in a list that began with all events up to `snapshot`, as a page token has it. */
export const placeText = (snapshot: number, { key, id }: WorkflowPlace): string => `${snapshot}.${key}.${id}`;

/** What a place looks like. */
export const placePattern = /^\d{1,15}\.\d{1,15}\.[A-Za-z0-9._:-]{1,128}$/;

export function placeFrom(text: string): { readonly snapshot: number; readonly place: WorkflowPlace } {
  const [snapshot = "", key = ""] = text.split(".", 2);
  const id = text.slice(snapshot.length + key.length + 2) as WorkflowId;
  return { snapshot: Number(snapshot), place: { key: Number(key), id } };
}
