import { setFlagsFromString } from "node:v8";

/**
 * For a process that answers calls: V8 makes what has often survived in the old generation from the start. Of calls, which are under way while
 * garbage is collected, this is wrong: what is made there waits, when they are over, for the next collection of all garbage, and with it whatever it
 * leads to, which is copied meanwhile. For the process, its threads among it; what is compiled from now on.
 */
export function makeYoung(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
}
