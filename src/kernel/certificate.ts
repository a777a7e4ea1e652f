import type { TimeMs } from "./time.ts";

/** What the other end of a connection has proved of itself: it has the key of a certificate which one has signed who may. */
export type Certificate = {
  /** Of its subject's alternative names. A SPIFFE id is a URI. */
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** Undefined: it has none, or several. */
  readonly commonName: string | undefined;
  readonly notAfterMs: TimeMs;
  /** SHA-256 of it, in hexadecimal with colons. */
  readonly fingerprint: string;
};
