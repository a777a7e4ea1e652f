/** One call of a history: what was asked, what was answered, and when, by a clock that all callers share. */
export type Call<Input, Output> = {
  readonly input: Input;
  /** Nothing: nobody knows whether it was done, such as after a kill. */
  readonly output: Output | undefined;
  readonly calledAt: number;
  /** Of a call without an answer: never. It may still be done at any time. */
  readonly answeredAt: number;
};

/** What a single thread would do. `key` is the same for states that are. */
export type SequentialModel<State, Input, Output> = {
  readonly initial: State;
  readonly step: (state: State, input: Input) => { readonly state: State; readonly output: Output };
  readonly key: (state: State) => string;
  readonly isAnswer: (expected: Output, heard: Output) => boolean;
};

/**
 * Whether there is an order of the calls, each at some moment between its call and its answer, in which a single thread would have given these
 * answers: Wing and Gong, "Testing and Verifying Concurrent Objects" (1993), with Lowe's memory of what was tried. Calls without an answer may be left out.
 * Yields the longest order that was found, which ends where the history is wrong, or nothing if it is right.
 */
export function nonLinearizable<State, Input, Output>(
  model: SequentialModel<State, Input, Output>,
  history: readonly Call<Input, Output>[],
): readonly Call<Input, Output>[] | undefined {
  const calls = history.toSorted((a, b) => a.calledAt - b.calledAt);
  const tried = new Set<string>();
  let longest: readonly number[] = [];

  const search = (state: State, done: bigint, order: readonly number[]): boolean => {
    const left = calls.flatMap((_, index) => (done & (1n << BigInt(index)) ? [] : [index]));
    if (left.every((index) => calls[index]?.output === undefined)) return true;
    const memory = `${done} ${model.key(state)}`;
    if (tried.has(memory)) return false;
    tried.add(memory);
    if (order.length > longest.length) longest = order;
    // What is called after somebody has been answered comes after that.
    const firstAnswer = Math.min(...left.map((index) => calls[index]?.answeredAt ?? 0));
    return left.some((index) => {
      const call = calls[index];
      if (call === undefined || call.calledAt > firstAnswer) return false;
      const next = model.step(state, call.input);
      if (call.output !== undefined && !model.isAnswer(next.output, call.output)) return false;
      return search(next.state, done | (1n << BigInt(index)), [...order, index]);
    });
  };

  return search(model.initial, 0n, []) ? undefined : longest.flatMap((index) => calls[index] ?? []);
}

/** For a test that fails: the whole history, and how far an order of it goes. Nothing if it is right. */
export function whyNot<State, Input, Output>(
  model: SequentialModel<State, Input, Output>,
  history: readonly Call<Input, Output>[],
): string | undefined {
  const longest = nonLinearizable(model, history);
  const line = ({ calledAt, answeredAt, input, output }: Call<Input, Output>): string =>
    `${calledAt}–${answeredAt} ${JSON.stringify(input)}: ${output}`;
  return longest && [...history.map(line), "the longest order:", ...longest.map(line)].join("\n");
}

/** Each program is a caller that asks one thing after the other; all of them at once. `run` yields nothing if it does not know. */
export async function recordCalls<Input, Output>(
  programs: readonly (readonly Input[])[],
  run: (input: Input) => Promise<Output | undefined>,
): Promise<readonly Call<Input, Output>[]> {
  const history: Call<Input, Output>[] = [];
  let clock = 0;
  const caller = async (program: readonly Input[]): Promise<void> => {
    for (const input of program) {
      const calledAt = ++clock;
      const output = await run(input);
      history.push({ input, output, calledAt, answeredAt: output === undefined ? Number.POSITIVE_INFINITY : ++clock });
    }
  };
  await Promise.all(programs.map(caller));
  return history;
}
