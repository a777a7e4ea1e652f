import { assert } from "../../kernel/assert.ts";

/**
 * What was read and is not done with, in order. The cursor is the last sequence up to which all is done: what a sink has behind it, it need
 * not see again.
 */
export type Window = {
  readonly cursor: number;
  /** The first that is not done; nothing, if all is. */
  readonly head: number | undefined;
  /** Read: an event, or a place up to which there is nothing to publish. */
  add(sequence: number): void;
  /** Done with: acknowledged, or nothing to publish there. True if the cursor has moved. */
  done(sequence: number): boolean;
};

export function createWindow(afterSequence: number): Window {
  let cursor = afterSequence;
  let newest = afterSequence;
  /** In order. */
  const open = new Set<number>();
  const early = new Set<number>();
  const headOf = (): number | undefined => open.values().next().value;
  return {
    get cursor() {
      return cursor;
    },
    get head() {
      return headOf();
    },
    add: (sequence) => {
      assert(sequence > newest, "EventsInOrder");
      newest = sequence;
      open.add(sequence);
    },
    done: (sequence) => {
      assert(open.has(sequence) && !early.has(sequence), "an event is done with once");
      early.add(sequence);
      const before = cursor;
      for (let head = headOf(); head !== undefined && early.has(head); head = headOf()) {
        open.delete(head);
        early.delete(head);
        cursor = head;
      }
      return cursor > before;
    },
  };
}
