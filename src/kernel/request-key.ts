import type { RequestId } from "./ids.ts";

/** Names a request for idempotency: the same id with another digest is a misuse. Kept for `answerRetentionMs` or longer. */
export type RequestKey = {
  readonly id: RequestId;
  /** Equal for a retry, different for any other request. */
  readonly digest: string;
};
