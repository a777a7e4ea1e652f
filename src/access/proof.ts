import { setMaxListeners } from "node:events";
import { nobody, type Principal } from "../kernel/principal.ts";

/** That somebody is who they say, for as long as it counts. */
export type Proof = {
  readonly principal: Principal;
  /** Aborts when it counts no more, before its time: its token was taken out of the access file, say. */
  readonly revoked: AbortSignal;
};

export type RevocableProof = Proof & { readonly revoke: () => void };

export function createRevoking(): AbortController {
  const revoking = new AbortController();
  // Each call that lasts has one.
  setMaxListeners(0, revoking.signal);
  return revoking;
}

export function createProof(principal: Principal): RevocableProof {
  const revoking = createRevoking();
  return { principal, revoked: revoking.signal, revoke: () => revoking.abort() };
}

/** Of those who prove nothing, where that is allowed. */
export const noProof: Proof = createProof(nobody);
