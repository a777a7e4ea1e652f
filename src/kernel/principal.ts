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
