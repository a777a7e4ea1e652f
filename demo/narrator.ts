import { SingleBar } from "cli-progress";
import { printable } from "../src/kernel/text.ts";
import { print } from "./print.ts";

const lineLength = 110;

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
    line: (text) => say(wrap(printable(text), "  ")),
    detail: (text) => say(wrap(printable(text), "    ")),
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

/** Breaks between words; what follows is indented two more. */
function wrap(text: string, indent: string): string {
  const lines: string[] = [];
  let line = indent;
  for (const [index, word] of text.split(" ").entries()) {
    if (index > 0 && line.length + 1 + word.length > lineLength) {
      lines.push(line);
      line = `${indent}  ${word}`;
    } else {
      line += index === 0 ? word : ` ${word}`;
    }
  }
  return [...lines, line].join("\n");
}
