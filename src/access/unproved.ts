/** Why nothing is proved, by what a caller is told of it in `ErrorInfo.metadata.why`, and for people. No word repeats what was sent. */
export const unproved = {
  NO_PROOF: "nobody knows who calls; send a token, `authorization: Bearer …`, or come with a client certificate",
  UNREADABLE: "the authorization is not `Bearer`, a blank, and a token",
  UNKNOWN_TOKEN: "the token is not known here",
  UNVERIFIABLE:
    "the token cannot be verified: it is malformed, demands what is not known here (`crit`), or its issuer's key is too small",
  WRONG_ISSUER: "the token is of an issuer that is not trusted here",
  WRONG_AUDIENCE: "the token is for others than this server",
  WRONG_ALGORITHM: "the token is not signed by an algorithm that counts here",
  WRONG_SIGNATURE: "the token is not signed by its issuer",
  UNKNOWN_KEY: "the issuer of the token has no such key",
  NOT_YET_VALID: "the token is not valid yet",
  NO_END: "the token does not say when it expires",
  NO_NAME: "the token names nobody who could be a principal",
  EXPIRED: "the token has expired",
  REVOKED: "what has proved who calls does not count any more",
} as const;

/** Of tokens that may be good: nobody knows, for the moment. */
export const unknowable = {
  KEYS_UNAVAILABLE: "the keys of the token's issuer cannot be had now",
  TOO_MANY: "too many tokens are being verified",
} as const;

export type Unproved = keyof typeof unproved | keyof typeof unknowable;
