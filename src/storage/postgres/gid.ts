import { createHash } from "node:crypto";
import { idPattern, type ParticipantId, type TransactionId } from "../../kernel/ids.ts";

// A prepared transaction is found again by its gid, `concord/<participant>/<log>/<transaction>`. PostgreSQL takes 199 bytes: 8 + 28 + 1 + 32 + 1
// for what stands before the transaction's id, which is never cut, since it is read back from the gid.

const participantLengthMax = 28;

/** Those of SQLite logs have as many characters. */
const logLengthMax = 32;

export const transactionIdBytesMax = 128;

/** What the gids of all its logs begin with. No part contains a slash, so no prefix begins another. */
export const participantPrefixOf = (participantId: ParticipantId): string =>
  `concord/${shorten(participantId, participantLengthMax)}/`;

export const gidPrefixOf = (participantId: ParticipantId, logId: string): string =>
  `${participantPrefixOf(participantId)}${shorten(logId, logLengthMax)}/`;

type Promised = { readonly participantId: ParticipantId; readonly logId: string; readonly transactionId: TransactionId };

export const gidOf = ({ participantId, logId, transactionId }: Promised): string =>
  gidPrefixOf(participantId, logId) + transactionId;

/** The beginning and a digest of what is too long, or no plain id. No plain id has a tilde, so the two kinds never meet. */
function shorten(id: string, lengthMax: number): string {
  if (id.length <= lengthMax && idPattern.test(id)) return id;
  const digest = createHash("sha256").update(id).digest("hex").slice(0, 16);
  return `${id.replaceAll(/[^\w.:-]/g, "_").slice(0, lengthMax - digest.length - 1)}~${digest}`;
}
