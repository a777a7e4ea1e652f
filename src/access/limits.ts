import type { DurationMs } from "../kernel/time.ts";

/** A file, read often, has room for the tokens of a small set-up; a large one has an issuer. */
export const tokenCountMax = 10_000;

/** Of each, a server keeps keys. */
export const issuerCountMax = 32;

/** Each is looked at for a certificate that is new. */
export const certificateRuleCountMax = 1_000;

/** Each is looked at for a principal that is new; the first that matches counts. */
export const quotaCountMax = 1_000;

/** Certificates that are known: more than there may be connections, as a rule. Beyond it, who was known longest proves it anew. */
export const knownCertificateCountMax = 10_000;

/** Beyond so many principals with a quota, those are forgotten that have used nothing lately. */
export const countedPrincipalCountMax = 10_000;

/** JWTs that were verified and are known, of less than a kilobyte each. Beyond it, who was known longest is verified anew. */
export const verifiedCountMax = 20_000;

/** Verified again then, also if it has not expired: its key may have been given up. */
export const verifiedMs: DurationMs = 5 * 60_000;

/** A signature takes another thread some 100 µs to verify: these are a twentieth of a second of work. */
export const verifyingCountMax = 512;

/** Keys of an issuer are read anew after so long: an issuer that gives up a key has to be believed in the end. */
export const keysFreshMs: DurationMs = 10 * 60_000;

/** Keys that were there count for so long while the issuer cannot be asked: its outage is not to be one here. */
export const keysKeptMs: DurationMs = 60 * 60_000;

/** For a key that is not among them, they are read anew no more often: anybody can name such a key. */
export const unknownKeyMs: DurationMs = 5_000;

/** After a failure, they are read no sooner. */
export const keysFailedMs: DurationMs = 1_000;

/** Of what an issuer answers: it has a handful of keys. */
export const issuerBytesMax = 1_000_000;

/** For an issuer's answer; a caller waits meanwhile. */
export const issuerTimeoutMs: DurationMs = 5_000;

/** Each is looked at for a principal that is new; a list of people belongs into the provider of identities. */
export const grantCountMax = 1_000;

/** Names in one list of a grant. */
export const grantNameCountMax = 1_000;

/** Principals whose decisions are kept, so that a call costs two looks into a map. Beyond that, all are made anew. */
export const principalsKeptMax = 10_000;
