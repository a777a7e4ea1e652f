import type { RequestId } from "./ids.ts";

/** Names a request for idempotency: the same id with another digest is a misuse. Kept for `answerRetentionMs` or longer. */
export type RequestKey = {
  readonly id: RequestId;
  /** Equal for a retry, different for any other request. */
  readonly digest: string;
};

/** Before the place of an item. No id that a caller gives has a control character, so none is taken for another. */
const itemSeparator = "\u0001";

/** Of one item of a request that has several. */
export const itemKey = ({ id, digest }: RequestKey, index: number): RequestKey => ({
  id: `${id}${itemSeparator}${index}` as RequestId,
  digest,
});

/** Of the request that an item is of; nothing, if the key is of a request by itself. */
export function wholeKey({ id, digest }: RequestKey): RequestKey | undefined {
  const end = id.indexOf(itemSeparator);
  return end === -1 ? undefined : { id: id.slice(0, end) as RequestId, digest };
}
