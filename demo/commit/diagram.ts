import { styleText } from "node:util";
import { printable } from "../../src/kernel/text.ts";

/** An arrow begins at each of `from` and ends at each of `to`; one of the two is a single column. */
export type Arrow = {
  readonly type: "arrow";
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly label: string;
  /** It never arrived. */
  readonly lost?: boolean;
};

/** Something that happens to these columns. `life` is how their lines go on. */
export type Mark = { readonly type: "mark"; readonly at: readonly string[]; readonly sign: string; readonly life?: Life };

export type Life = "up" | "down" | "cut off";

export type Words = { readonly note?: string; readonly tone?: "green" | "red" | "yellow" };

export type Happening = (Arrow | Mark) & Words;

/** A sequence diagram that grows line by line: one column for each process, the time on the left, words on the right. */
export type Diagram = {
  head(): string;
  /** One happening; more than one line if its words are many. Its time is counted from the beginning of the diagram. */
  draw(happening: Happening, atMs: number): string;
};

const lifeline: Readonly<Record<Life, string>> = { up: "│", down: " ", "cut off": "╎" };

/** `  0.123 ` */
const timeWidth = 8;

/** Between two columns: the most that still looks well, the least at which names do not touch, and the least for a label on an arrow. */
const pitch = { max: 13, min: 4, labelled: 10 };

/** Room for words, with and without labels on the arrows. */
const notesWidth = { labelled: 22, plain: 17 };

const shortNames: Readonly<Record<string, string>> = { coordinator: "coord." };

export function createDiagram(options: { readonly columns: readonly string[]; readonly width: number }): Diagram {
  const { columns, width } = options;
  const { positions, labelled, names } = layOut(columns, width);
  const lives = new Map<string, Life>();
  const end = (positions.at(-1) ?? 0) + 2;
  const notesStart = end + 2;

  const positionOf = (column: string): number => positions[columns.indexOf(column)] ?? 0;

  /** The lines of life, one character a cell. */
  function cellsNow(): string[] {
    const cells = Array<string>(end).fill(" ");
    for (const [index, column] of columns.entries()) cells[positions[index] ?? 0] = lifeline[lives.get(column) ?? "up"];
    return cells;
  }

  function line(time: string, cells: string, note: string): string {
    return `${time.padStart(timeWidth - 1)} ${cells}  ${note}`.trimEnd();
  }

  function drawArrow({ from, to, label, lost = false }: Arrow) {
    const cells = cellsNow();
    const [starts, ends] = [from.map(positionOf), to.map(positionOf)];
    const span = [Math.min(...starts, ...ends), Math.max(...starts, ...ends)] as const;
    const rightwards = Math.min(...starts) === span[0] && Math.max(...ends) === span[1];
    for (let cell = span[0]; cell <= span[1]; cell += 1)
      cells[cell] = cells[cell] === " " || cells[cell] === undefined ? "─" : "┼";
    for (const start of starts) cells[start] = rightwards ? "├" : "┤";
    for (const [index, column] of to.entries()) {
      const position = ends[index] ?? 0;
      cells[position] = lifeline[lives.get(column) ?? "up"];
      cells[position + (rightwards ? -1 : 1)] = lost ? "×" : rightwards ? "▶" : "◀";
    }
    // In the first gap from the left, beside the head if that is there.
    const next = Math.min(...positions.filter((position) => position > span[0]));
    const free = next - span[0] - 2;
    const onArrow = labelled && label.length <= free;
    if (onArrow) {
      const headIsLeft = rightwards ? 0 : 1;
      const start = span[0] + 1 + headIsLeft + Math.floor((free - label.length) / 2);
      cells.splice(start, label.length, ...label);
    }
    return { cells, span, onArrow };
  }

  function draw(happening: Happening, atMs: number): string {
    const { note = "", tone } = happening;
    const paint = (text: string): string => (tone === undefined || text === "" ? text : styleText(tone, text));
    let words = note;
    let cells: string[];
    if (happening.type === "arrow") {
      const arrow = drawArrow(happening);
      const [left, right] = arrow.span;
      const ends = [arrow.cells.slice(0, left), arrow.cells.slice(right + 1)] as const;
      cells = [...ends[0], paint(arrow.cells.slice(left, right + 1).join("")), ...ends[1]];
      words = [arrow.onArrow ? "" : happening.label, note, happening.lost ? "lost" : ""].filter((each) => each !== "").join(": ");
    } else {
      for (const column of happening.at) lives.set(column, happening.life ?? lives.get(column) ?? "up");
      cells = cellsNow();
      for (const column of happening.at) cells[positionOf(column)] = paint(happening.sign);
    }
    const [first = "", ...rest] = wrap(printable(words), width - timeWidth - notesStart);
    const time = (Math.max(0, atMs) / 1000).toFixed(3);
    return [line(time, cells.join(""), paint(first)), ...rest.map((text) => line("", cellsNow().join(""), paint(text)))].join(
      "\n",
    );
  }

  return {
    head() {
      const cells = Array<string>(end).fill(" ");
      for (const [index, name] of names.entries()) {
        cells.splice((positions[index] ?? 0) - Math.floor((name.length - 1) / 2), name.length, ...name);
      }
      return [line("", cells.join(""), ""), line("", cellsNow().join(""), "")].join("\n");
    },
    draw,
  };
}

/** The widest that leaves room for words. Narrow ones have no labels on their arrows. */
function layOut(columns: readonly string[], width: number) {
  for (let apart = pitch.max; ; apart -= 1) {
    const labelled = apart >= pitch.labelled;
    const names = columns.map((name) => (labelled ? name : (shortNames[name] ?? name)));
    const positions: number[] = [];
    for (const [index, name] of names.entries()) {
      const before = names[index - 1];
      const gap = before === undefined ? Math.ceil(name.length / 2) : Math.ceil((before.length + name.length) / 2) + 1;
      positions.push((positions.at(-1) ?? 0) + (before === undefined ? gap : Math.max(apart, gap)));
    }
    const used = timeWidth + (positions.at(-1) ?? 0) + 4;
    const room = labelled ? notesWidth.labelled : notesWidth.plain;
    if (used + room <= width || apart === pitch.min) return { positions, labelled, names };
  }
}

/** Between words. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
