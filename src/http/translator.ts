import { Worker } from "node:worker_threads";
import { translatedAtOnceBytesMax } from "./limits.ts";
import { type AnswerPart, answerText, type Encoded, encodeRequest, type RequestParts } from "./translate.ts";

/** From JSON to messages and back. What is small is done at once; what would hold the event loop, on a thread. */
export type Translator = {
  readonly request: (parts: RequestParts) => Encoded | Promise<Encoded>;
  readonly response: (answer: AnswerPart) => string | Promise<string>;
  readonly close: () => Promise<void>;
};

export type Task =
  | { readonly type: "request"; readonly parts: RequestParts }
  | { readonly type: "response"; readonly answer: AnswerPart };

export type Done = { readonly id: number } & ({ readonly result: Encoded | string } | { readonly error: string });

type Waiting = { readonly resolve: (result: never) => void; readonly reject: (error: Error) => void };

/** Runs from src as TypeScript and from dist as JavaScript. */
const threadUrl = new URL(import.meta.url.endsWith(".ts") ? "./translator-thread.ts" : "./translator-thread.js", import.meta.url);

/** The largest that there may be take some hundreds of MB, one at a time. What needs more ends the thread, not the process. */
const heapMbMax = 1024;

export function createTranslator(): Translator {
  const waiting = new Map<number, Waiting>();
  let thread: Worker | undefined;
  let lastId = 0;

  /** Begun when it is first needed, and anew if it has died. */
  function start(): Worker {
    const worker = new Worker(threadUrl, { resourceLimits: { maxOldGenerationSizeMb: heapMbMax } });
    worker.unref();
    let cause: unknown;
    worker.on("message", (done: Done) => {
      const task = waiting.get(done.id);
      waiting.delete(done.id);
      if ("error" in done) task?.reject(new Error(done.error));
      else task?.resolve(done.result as never);
    });
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("exit", () => {
      thread = undefined;
      for (const { reject } of waiting.values()) reject(new Error("the translating thread has ended", { cause }));
      waiting.clear();
    });
    return worker;
  }

  function inThread<Result extends Encoded | string>(task: Task): Promise<Result> {
    thread ??= start();
    lastId += 1;
    const id = lastId;
    return new Promise<Result>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      thread?.postMessage({ id, task });
    });
  }

  return {
    request: (parts) =>
      parts.body.length <= translatedAtOnceBytesMax ? encodeRequest(parts) : inThread<Encoded>({ type: "request", parts }),
    response: (answer) =>
      answer.bytes.length <= translatedAtOnceBytesMax
        ? answerText(answer)
        : // What it is a part of would be copied with it.
          inThread<string>({ type: "response", answer: { ...answer, bytes: new Uint8Array(answer.bytes) } }),
    close: async () => {
      await thread?.terminate();
    },
  };
}
