import { Worker } from "node:worker_threads";
import { translatedAtOnceBytesMax, waitingAnswerBytesMax, waitingBodyBytesMax } from "./limits.ts";
import { type AnswerPart, answerText, type Encoded, encodeRequest, type RequestParts } from "./translate.ts";

/** From JSON to messages and back. What is small is done at once; what would hold the event loop, on a thread. */
export type Translator = {
  /** Undefined: too much waits already. */
  readonly request: (parts: RequestParts) => Encoded | undefined | Promise<Encoded>;
  readonly response: (answer: AnswerPart) => string | undefined | Promise<string>;
  readonly close: () => Promise<void>;
};

export type Task =
  | { readonly type: "request"; readonly parts: RequestParts }
  | { readonly type: "response"; readonly answer: AnswerPart };

export type Done = { readonly id: number } & ({ readonly result: Encoded | string } | { readonly error: string });

type Waiting = { readonly task: Task; readonly resolve: (result: never) => void; readonly reject: (error: Error) => void };

const bytesOf = (task: Task): number => (task.type === "request" ? task.parts.body.length : task.answer.bytes.length);

/** Runs from src as TypeScript and from dist as JavaScript. */
const threadUrl = new URL(import.meta.url.endsWith(".ts") ? "./translator-thread.ts" : "./translator-thread.js", import.meta.url);

/** The largest that there may be take some hundreds of MB, one at a time. What needs more ends the thread, not the process. */
const heapMbMax = 1024;

export function createTranslator(
  bounds = { bodyBytesMax: waitingBodyBytesMax, answerBytesMax: waitingAnswerBytesMax },
): Translator {
  const waiting = new Map<number, Waiting>();
  const waitingBytes = { request: 0, response: 0 };
  let thread: Worker | undefined;
  let lastId = 0;

  /** Begun when it is first needed, and anew if it has died. */
  function start(): Worker {
    const worker = new Worker(threadUrl, { resourceLimits: { maxOldGenerationSizeMb: heapMbMax }, name: "translator" });
    worker.unref();
    let cause: unknown;
    worker.on("message", (done: Done) => {
      const one = waiting.get(done.id);
      if (one === undefined) return;
      forget(done.id, one);
      if ("error" in done) one.reject(new Error(done.error));
      else one.resolve(done.result as never);
    });
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("exit", () => {
      thread = undefined;
      for (const [id, one] of waiting) {
        forget(id, one);
        one.reject(new Error("the translating thread has ended", { cause }));
      }
    });
    return worker;
  }

  function forget(id: number, { task }: Waiting): void {
    waiting.delete(id);
    waitingBytes[task.type] -= bytesOf(task);
  }

  function inThread<Result extends Encoded | string>(task: Task): Promise<Result> {
    thread ??= start();
    lastId += 1;
    const id = lastId;
    waitingBytes[task.type] += bytesOf(task);
    return new Promise<Result>((resolve, reject) => {
      waiting.set(id, { task, resolve, reject });
      thread?.postMessage({ id, task });
    });
  }

  return {
    request: (parts) => {
      if (parts.body.length <= translatedAtOnceBytesMax) return encodeRequest(parts);
      if (waitingBytes.request + parts.body.length > bounds.bodyBytesMax) return undefined;
      return inThread<Encoded>({ type: "request", parts });
    },
    response: (answer) => {
      if (answer.bytes.length <= translatedAtOnceBytesMax) return answerText(answer);
      if (waitingBytes.response + answer.bytes.length > bounds.answerBytesMax) return undefined;
      // What it is a part of would be copied with it.
      return inThread<string>({ type: "response", answer: { ...answer, bytes: new Uint8Array(answer.bytes) } });
    },
    close: async () => {
      await thread?.terminate();
    },
  };
}
