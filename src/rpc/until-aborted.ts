import { promiseOrEnd } from "../commit/ends.ts";

/**
 * Throws the signal's reason as soon as it aborts, also while a message is awaited: the stream of requests ends with its client only. Nothing is left of
 * a message that is over, of however many.
 */
export async function* untilAborted<Message>(messages: AsyncIterable<Message>, signal: AbortSignal): AsyncGenerator<Message> {
  const iterator = messages[Symbol.asyncIterator]();
  for (;;) {
    signal.throwIfAborted();
    const next = await promiseOrEnd<IteratorResult<Message>, never>(signal, iterator.next());
    signal.throwIfAborted();
    if (next.done === true) return;
    yield next.value;
  }
}
