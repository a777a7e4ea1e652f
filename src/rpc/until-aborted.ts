/** Throws the signal's reason as soon as it aborts, also while a message is awaited: the stream of requests ends with its client only. */
export async function* untilAborted<Message>(messages: AsyncIterable<Message>, signal: AbortSignal): AsyncGenerator<Message> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort);
  const iterator = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
