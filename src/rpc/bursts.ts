import type { ServerInterceptingCall, ServerInterceptor } from "@grpc/grpc-js";
import { burstBytesMax } from "./limits.ts";

// A message that goes by itself costs a write, a frame of HTTP/2, a turn of the event loop at each end, and a step through each layer of two
// libraries: ten times what it costs to make and to read it. On a stream, what is said in one turn of the loop goes, and is handed on, together.
// Nobody sees it on the wire, where gRPC has one message behind the other either way.

/** What is said in one turn of the loop, in order. What is more than `burstBytesMax` waits until somebody has come for that. */
export async function* inBursts<Item>(
  items: AsyncIterable<Item>,
  bytesOf: (item: Item) => number,
): AsyncGenerator<readonly Item[], void> {
  let burst: Item[] = [];
  let bytes = 0;
  let end: { readonly error?: unknown } | undefined;
  let wake = (): void => {};
  let taken = (): void => {};

  async function gather(): Promise<void> {
    for await (const item of items) {
      burst.push(item);
      bytes += bytesOf(item);
      wake();
      if (bytes < burstBytesMax) continue;
      await new Promise<void>((resolve) => {
        taken = resolve;
      });
    }
  }

  const endWith = (why: NonNullable<typeof end>): void => {
    end = why;
    wake();
  };
  gather().then(
    () => endWith({}),
    (error: unknown) => endWith({ error }),
  );
  while (end === undefined || burst.length > 0) {
    if (burst.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    // Whoever else has something to say in this turn joins.
    await new Promise<void>((resolve) => void setImmediate(resolve));
    const gathered = burst;
    burst = [];
    bytes = 0;
    taken();
    if (gathered.length > 0) yield gathered;
  }
  if ("error" in end) throw end.error;
}

/** What a handler yields, as the types of nice-grpc want it. */
export const together = <Message>(burst: readonly Message[]): Message => burst as unknown as Message;

/** What a handler is given, as the types of nice-grpc do not say it. */
export const burstsOf = <Message>(requests: AsyncIterable<Message>): AsyncIterable<readonly Message[]> =>
  requests as unknown as AsyncIterable<readonly Message[]>;

/** What a call of grpc-js has in it, and does not show. */
type Inside = {
  readonly handler: { readonly serialize: (burst: unknown) => Buffer };
  readonly readQueue: {
    readonly type: "COMPRESSED" | "READABLE" | "HALF_CLOSE";
    /** With its prefix. */
    readonly compressedMessage: Buffer | null;
    readonly parsedMessage: unknown;
  }[];
  readonly listener: { readonly onReceiveMessage: (burst: unknown) => void } | null;
  isReadPending: boolean;
  serializeMessage: (message: unknown) => Buffer;
  maybePushNextMessage: () => void;
};

/**
 * Lets the handlers of Concord's streams yield arrays of messages, and gives arrays to those of streams that go both ways. An array must be encoded
 * as the frames of its messages (`withValidation`). Must be given the call itself: before other interceptors.
 */
export const bursts: ServerInterceptor = ({ path, requestStream, responseStream }, call) => {
  if (responseStream && path.startsWith("/concord.")) {
    sendTogether(call as unknown as Inside);
    if (requestStream) handOnTogether(call as unknown as Inside);
  }
  return call as ServerInterceptingCall;
};

function sendTogether(call: Inside): void {
  const serializeOne = call.serializeMessage;
  call.serializeMessage = (message) =>
    Array.isArray(message) ? call.handler.serialize(message) : serializeOne.call(call, message);
}

/** In the prefix of a message. */
const notCompressed = 0;

function handOnTogether(call: Inside): void {
  const pushNext = call.maybePushNextMessage;
  call.maybePushNextMessage = () => {
    const { listener, readQueue } = call;
    const unread = readQueue.findIndex(({ type }) => type !== "READABLE");
    const count = unread === -1 ? readQueue.length : unread;
    // What has come with it is read in this turn, too, unless it has to be decompressed; then this is called again.
    if (readQueue[unread]?.compressedMessage?.[0] === notCompressed) return;
    // An end, or what is still to be decompressed.
    if (count === 0) return pushNext.call(call);
    if (listener === null || !call.isReadPending) return;
    call.isReadPending = false;
    listener.onReceiveMessage(readQueue.splice(0, count).map(({ parsedMessage }) => parsedMessage));
  };
}
