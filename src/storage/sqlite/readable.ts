/** A damaged file must not keep a flush from being acknowledged; the next read or write reports it. Undefined, if it cannot be read. */
export function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
