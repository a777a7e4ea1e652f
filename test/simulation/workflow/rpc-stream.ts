/** How a client hears a call: messages, and its end, with an error or without. */
export type Heard<Message> = {
  /** `proceed` is called when the reader has taken it. */
  readonly message: (message: Message, proceed: () => void) => void;
  readonly end: (error?: unknown) => void;
};

type Item<Message> =
  | { readonly type: "message"; readonly message: Message; readonly proceed: () => void }
  | { readonly type: "end"; readonly error: unknown };

/** The answers of a call, at the pace of their reader. Who stops reading leaves the call. */
export async function* readStream<Message>(
  start: (heard: Heard<Message>) => void,
  leave: () => void,
): AsyncGenerator<Message, void> {
  const items: Item<Message>[] = [];
  let wake = (): void => {};
  const push = (item: Item<Message>): void => {
    items.push(item);
    wake();
  };
  start({
    message: (message, proceed) => push({ type: "message", message, proceed }),
    end: (error) => push({ type: "end", error }),
  });
  try {
    for (;;) {
      const item = items.shift();
      if (item === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      } else if (item.type === "message") {
        yield item.message;
        item.proceed();
      } else {
        if (item.error !== undefined) throw item.error;
        return;
      }
    }
  } finally {
    leave();
  }
}
