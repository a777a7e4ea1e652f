import { createHmac } from "node:crypto";

/** How a secret is often handed out: base64 behind a prefix. Anything else is taken as it is. */
const encodedPrefix = "whsec_";

export function secretBytes(secret: string): Buffer {
  return secret.startsWith(encodedPrefix) ? Buffer.from(secret.slice(encodedPrefix.length), "base64") : Buffer.from(secret);
}

/**
 * The headers that show who has sent a body, and when: www.standardwebhooks.com. One signature for each secret, so that a receiver may go
 * over to a new one while both are in use.
 */
export function signatureHeaders(options: {
  readonly id: string;
  readonly timestampSeconds: number;
  readonly body: string;
  readonly secrets: readonly string[];
}): Readonly<Record<string, string>> {
  const { id, timestampSeconds, body, secrets } = options;
  const signed = `${id}.${timestampSeconds}.${body}`;
  const signatures = secrets.map((secret) => `v1,${createHmac("sha256", secretBytes(secret)).update(signed).digest("base64")}`);
  return { "webhook-id": id, "webhook-timestamp": String(timestampSeconds), "webhook-signature": signatures.join(" ") };
}
