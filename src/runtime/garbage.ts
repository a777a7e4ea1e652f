import { setFlagsFromString } from "node:v8";

/**
 * For a process that answers calls, its threads among it, and what is compiled from now on.
 *
 * V8 makes what has often survived in the old generation from the start. Of calls, which are under way while garbage is collected, this is wrong: what
 * is made there waits, when they are over, for the next collection of all garbage, and with it whatever it leads to, which is copied meanwhile.
 *
 * And it lets the old generation grow to several times what is alive before it collects all garbage, and never gives back what lies between. To
 * collect it when it has grown by less than it was takes no more time, since there is less memory to walk through between.
 */
export function tuneGarbageCollection(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
  setFlagsFromString("--heap-growing-percent=60");
}
