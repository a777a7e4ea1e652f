import { EventEmitter } from "node:events";

/** A thread that says what the test says. In place of `Worker` of node:worker_threads, `ScriptedWorker.newest` is the one that was started last. */
export class ScriptedWorker extends EventEmitter {
  static newest: ScriptedWorker | undefined;
  /** The types of what it was sent. */
  readonly asked: unknown[] = [];
  isTerminated = false;

  constructor() {
    super();
    ScriptedWorker.newest = this;
  }

  postMessage(request: { readonly type: string }): void {
    this.asked.push(request.type);
  }

  unref(): void {}

  async terminate(): Promise<void> {
    this.isTerminated = true;
    this.emit("exit");
  }

  say = (reply: object): void => void this.emit("message", reply);

  /** As one whose memory is not enough. */
  die(cause: unknown): void {
    this.emit("error", cause);
    this.emit("exit");
  }
}
