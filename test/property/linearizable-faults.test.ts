import { expect, test } from "vitest";
import { createDice, type Dice } from "../simulation/random.ts";
import { type Call, nonLinearizable, type SequentialModel } from "../support/linearizable.ts";

// What the checker of histories itself can see. Replay with SEED=n npx vitest run test/property/linearizable-faults.test.ts; RUNS=n makes it longer.
const seed = Number(process.env["SEED"] ?? 1);
const runs = Number(process.env["RUNS"] ?? 1_000);

type Input =
  | { readonly type: "read" }
  | { readonly type: "write"; readonly value: number }
  | { readonly type: "swap"; readonly expected: number; readonly value: number }
  /** Carried out once for its request. */
  | { readonly type: "add"; readonly request: string };

type State = { readonly value: number; readonly answers: Readonly<Record<string, number>> };

const counter: SequentialModel<State, Input, number> = {
  initial: { value: 0, answers: {} },
  step(state, input) {
    switch (input.type) {
      case "read":
        return { state, output: state.value };
      case "write":
        return { state: { ...state, value: input.value }, output: input.value };
      case "swap":
        return state.value === input.expected ? { state: { ...state, value: input.value }, output: 1 } : { state, output: 0 };
      default: {
        const known = state.answers[input.request];
        if (known !== undefined) return { state, output: known };
        const value = state.value + 1;
        return { state: { value, answers: { ...state.answers, [input.request]: value } }, output: value };
      }
    }
  },
  key: (state) => JSON.stringify(state),
  isAnswer: (expected, heard) => expected === heard,
};

type History = readonly Call<Input, number>[];

/** Each order that real time allows, tried to its end, and nothing remembered. */
function isLinearizable(history: History): boolean {
  const tryAll = (state: State, left: History): boolean =>
    left.every(({ output }) => output === undefined) ||
    left.some((call) => {
      const isFirst = left.every((other) => other === call || other.answeredAt >= call.calledAt);
      if (!isFirst) return false;
      const { state: next, output } = counter.step(state, call.input);
      const rest = left.filter((other) => other !== call);
      return (call.output === undefined || call.output === output) && tryAll(next, rest);
    });
  return tryAll(counter.initial, history);
}

function drawInput(dice: Dice): Input {
  const value = dice.between(0, 9);
  switch (dice.between(0, 3)) {
    case 0:
      return { type: "read" };
    case 1:
      return { type: "write", value };
    case 2:
      return { type: "swap", expected: dice.between(0, 4), value };
    default:
      return { type: "add", request: `r${dice.between(1, 3)}` };
  }
}

/** What a single thread has answered, each at some moment of its call; some answers were lost, and so were some calls. */
function drawHistory(dice: Dice): History {
  let state = counter.initial;
  return Array.from({ length: dice.between(4, 8) }, (_, index) => {
    const input = drawInput(dice);
    const isLost = dice.chance(0.1);
    const { state: next, output } = counter.step(state, input);
    if (!isLost) state = next;
    const at = index * 10 + 5;
    const isUnknown = isLost || dice.chance(0.1);
    return {
      input,
      output: isUnknown ? undefined : output,
      calledAt: at - dice.unit() * 20,
      answeredAt: isUnknown ? Number.POSITIVE_INFINITY : at + dice.unit() * 20,
    };
  });
}

const isAnswered = ({ output }: Call<Input, number>): boolean => output !== undefined;

const replaced = (history: History, index: number, change: Partial<Call<Input, number>>): History =>
  history.map((call, at) => (at === index ? { ...call, ...change } : call));

/** From this place on, as if another thread had begun with this state. */
function answersFrom(history: History, from: number, begin: State): History {
  let state = begin;
  return history.map((call, index) => {
    if (index < from) return call;
    const next = counter.step(state, call.input);
    state = next.state;
    return isAnswered(call) ? { ...call, output: next.output } : call;
  });
}

function stateBefore(history: History, place: number): State {
  let state = counter.initial;
  for (const call of history.slice(0, place)) state = counter.step(state, call.input).state;
  return state;
}

/** One mistake each. Undefined: there is no room for it. */
const faults: Readonly<Record<string, (history: History, dice: Dice) => History | undefined>> = {
  "a stale read"(history, dice) {
    const reads = history.flatMap(({ input, output }, index) => (input.type === "read" && output !== undefined ? [index] : []));
    if (reads.length === 0) return undefined;
    const read = dice.pick(reads);
    return replaced(history, read, { output: stateBefore(history, dice.between(0, read)).value });
  },
  "a lost update"(history, dice) {
    const writes = history.flatMap((call, index) => (call.input.type !== "read" && isAnswered(call) ? [index] : []));
    if (writes.length === 0) return undefined;
    const lost = dice.pick(writes);
    return answersFrom(history, lost + 1, stateBefore(history, lost));
  },
  "two answers swapped"(history, dice) {
    const answered = history.flatMap((call, index) => (isAnswered(call) ? [index] : []));
    if (answered.length < 2) return undefined;
    const [one, other] = [dice.pick(answered), dice.pick(answered)];
    return replaced(replaced(history, one, { output: history[other]?.output }), other, { output: history[one]?.output });
  },
  "an order that contradicts real time"(history, dice) {
    const answered = history.flatMap((call, index) => (isAnswered(call) ? [index] : []));
    const [first, last] = [answered[0], answered.at(-1)];
    if (first === undefined || last === undefined || first === last) return undefined;
    const place = dice.chance(0.5) ? first : last;
    const times = place === first ? { calledAt: 1_000, answeredAt: 1_001 } : { calledAt: -1_001, answeredAt: -1_000 };
    return replaced(history, place, times);
  },
  "a request that succeeds twice"(history, dice) {
    const places = history.flatMap(({ input, output }, index) => (input.type === "add" && output !== undefined ? [index] : []));
    if (places.length === 0) return undefined;
    const place = dice.pick(places);
    const call = history[place];
    if (call?.output === undefined) return undefined;
    const again = { ...call, output: call.output + 1, calledAt: call.answeredAt + 1, answeredAt: call.answeredAt + 2 };
    return [...history, again];
  },
};

test(`histories of one thread are accepted, and what is wrong with one is found (seed ${seed})`, { timeout: 60_000 }, () => {
  const dice = createDice(seed);
  const found: Record<string, number> = {};
  let planted = 0;
  let missed = 0;
  while (planted < runs) {
    const history = drawHistory(dice);
    expect(nonLinearizable(counter, history), JSON.stringify(history)).toBeUndefined();
    const [name, plant] = dice.pick(Object.entries(faults));
    const wrong = plant(history, dice);
    if (wrong === undefined) continue;
    const isRejected = nonLinearizable(counter, wrong) !== undefined;
    if (isLinearizable(wrong)) {
      expect(isRejected, `${name} changes nothing, and is rejected: ${JSON.stringify(wrong)}`).toBe(false);
      continue;
    }
    planted += 1;
    if (isRejected) found[name] = (found[name] ?? 0) + 1;
    else missed += 1;
  }
  expect(missed / planted, `${missed} of ${planted} mistakes are missed`).toBeLessThanOrEqual(0.01);
  for (const name of Object.keys(faults)) expect(found[name] ?? 0, name).toBeGreaterThan(runs / 50);
});
