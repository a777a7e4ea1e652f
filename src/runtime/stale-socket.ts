import { lstatSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { placeOf } from "../kernel/address.ts";

/** Removes the socket of a process that was killed: at one that nobody listens on, nobody can listen. */
export async function removeStaleSocket(address: string): Promise<void> {
  const place = placeOf(address);
  if (place === undefined || !("path" in place)) return;
  const { path } = place;
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ path })
    .once("connect", () => resolve(false))
    .once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  const isStale = await promise;
  socket.destroy();
  if (isStale) rmSync(path, { force: true });
}
