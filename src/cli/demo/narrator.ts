import { SingleBar } from "cli-progress";
import { print } from "../output.ts";

/** Tells a person at a terminal what happens. */
export type Narrator = {
  heading(text: string): void;
  line(text: string): void;
  /** A line that belongs to the one before. */
  detail(text: string): void;
  startProgress(total: number): void;
  progress(done: number): void;
  endProgress(): void;
};

/** A bar when a person looks on; otherwise the lines alone tell how far it is. */
export function createNarrator(): Narrator {
  let bar: SingleBar | undefined;
  let barState = { total: 0, done: 0 };

  const startBar = (): void => {
    if (!process.stdout.isTTY) return;
    bar = new SingleBar({
      format: "  [{bar}] {percentage} %  {value} of {total} steps",
      clearOnComplete: true,
      hideCursor: true,
    });
    bar.start(barState.total, barState.done);
  };
  const stopBar = (): boolean => {
    bar?.stop();
    const wasThere = bar !== undefined;
    bar = undefined;
    return wasThere;
  };
  const say = (text: string): void => {
    const goesOn = stopBar();
    print(text);
    if (goesOn) startBar();
  };

  return {
    heading: (text) => say(`\n${text}`),
    line: (text) => say(`  ${text}`),
    detail: (text) => say(`    ${text}`),
    startProgress(total) {
      barState = { total, done: 0 };
      startBar();
    },
    progress(done) {
      barState = { ...barState, done };
      bar?.update(done);
    },
    endProgress() {
      stopBar();
    },
  };
}
