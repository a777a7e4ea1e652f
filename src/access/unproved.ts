/** Why nothing is proved, by what a caller is told of it in `ErrorInfo.metadata.why`, and for people. No word repeats what was sent. */
export const unproved = {
  NO_PROOF: "nobody knows who calls; send a token, `authorization: Bearer …`, or come with a client certificate",
  UNREADABLE: "the authorization is not `Bearer`, a blank, and a token",
  UNKNOWN_TOKEN: "the token is not known here",
  EXPIRED: "the token has expired",
  REVOKED: "what has proved who calls does not count any more",
} as const;

export type Unproved = keyof typeof unproved;
