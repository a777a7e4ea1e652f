import type { TimeMs } from "./time.ts";

/** Who is at the other end of a call, as far as that has been proved. `requested_by` is only what that one says. */
export type Principal = {
  /** 1 to 256 characters; empty of `nobody`. */
  readonly name: string;
  /** What proved it: "process" is this very process, that calls its own services. */
  readonly by: "certificate" | "jwt" | "token" | "process" | "nothing";
  /** When the proof is worth nothing any more. Undefined: as long as the connection lasts. */
  readonly expiresAtMs?: TimeMs | undefined;
};

/** Of a call that proves nothing, where that is allowed. */
export const nobody: Principal = { name: "", by: "nothing" };

/** What is kept of who has asked for a change, as far as that was proved. Left out: nobody has proved anything. */
export type Proved = { readonly authenticatedAs?: string };

const unproved: Proved = {};

export const provedBy = ({ name }: Principal): Proved => (name === "" ? unproved : { authenticatedAs: name });

/** Of what has it among other things. */
export const provedOf = ({ authenticatedAs }: Proved): Proved => (authenticatedAs === undefined ? unproved : { authenticatedAs });

/** As it is stored and sent. */
export const provedFrom = (name: string): Proved => (name === "" ? unproved : { authenticatedAs: name });

/** In words, for people. */
export const byWhom = ({ requestedBy, authenticatedAs }: Proved & { readonly requestedBy: string }): string =>
  authenticatedAs === undefined ? `"${requestedBy}"` : `"${requestedBy}" (authenticated as "${authenticatedAs}")`;
