// A run as a picture: rates by concurrency, and where the server's CPU goes.
import type { Row } from "./row.ts";
import { nearest, threadsOf } from "./shown.ts";
import { total } from "./statistics.ts";

const width = 960;
const plot = { left: 70, top: 60, width: 640, height: 300 };
const bars = { left: 290, top: 440, width: 560, rowHeight: 20, legendWidth: 125 };
const colours = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#222255", "#999933", "#cc6677"];
const colour = (index: number): string => colours[index % colours.length] ?? "#000000";

const escaped = (text: string): string => text.replace(/[&<>"]/g, (found) => `&#${found.charCodeAt(0)};`);

const text = (x: number, y: number, words: string, more = ""): string =>
  `<text x="${x}" y="${y}" ${more}>${escaped(words)}</text>`;

export function chart(
  rows: readonly Row[],
  { title, lines }: { readonly title: string; readonly lines: readonly string[] },
): string {
  const bar = nearest(rows.filter(({ items }) => items === undefined));
  const height = bars.top + (bar.length + 2) * bars.rowHeight + 20;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(plot.left, 24, title, 'font-size="14" font-weight="bold"'),
    text(plot.left, 44, "calls per second by calls at once; a stroke goes from the slowest round to the fastest"),
    ...ratesPlot(rows, lines),
    text(plot.left, bars.top - 30, "microseconds of the server's CPU for one call, by thread", 'font-weight="bold"'),
    ...cpuBars(bar),
    "</svg>",
    "",
  ].join("\n");
}

function ratesPlot(rows: readonly Row[], lines: readonly string[]): readonly string[] {
  const shown = rows.filter(({ operation }) => lines.includes(operation));
  const concurrencies = [...new Set(shown.map(({ concurrency }) => concurrency))].sort((a, b) => a - b);
  const most = ceiling(Math.max(1, ...shown.map(({ perSecond }) => perSecond.max)));
  const x = (concurrency: number): number =>
    plot.left + ((concurrencies.indexOf(concurrency) + 0.5) / concurrencies.length) * plot.width;
  const y = (rate: number): number => plot.top + plot.height * (1 - rate / most);
  const ticks = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    `<path d="M${plot.left} ${y(share * most).toFixed(1)} h${plot.width}" stroke="#dddddd"/>`,
    text(plot.left - 8, y(share * most) + 4, String(share * most), 'text-anchor="end"'),
  ]);
  const names = concurrencies.map((each) => text(x(each), plot.top + plot.height + 18, String(each), 'text-anchor="middle"'));
  const drawn = lines.flatMap((name, index) => {
    const own = shown.filter(({ operation }) => operation === name);
    const points = own.map(({ concurrency, perSecond }) => `${x(concurrency).toFixed(1)},${y(perSecond.median).toFixed(1)}`);
    const strokes = own.map(
      ({ concurrency, perSecond }) =>
        `<path d="M${x(concurrency).toFixed(1)} ${y(perSecond.min).toFixed(1)} V${y(perSecond.max).toFixed(1)}" stroke="${colour(index)}" stroke-width="3" opacity="0.4"/>`,
    );
    return own.length === 0
      ? []
      : [
          `<polyline points="${points.join(" ")}" fill="none" stroke="${colour(index)}" stroke-width="2"/>`,
          ...strokes,
          `<rect x="${plot.left + plot.width + 16}" y="${plot.top + index * 20}" width="12" height="12" fill="${colour(index)}"/>`,
          text(plot.left + plot.width + 34, plot.top + 10 + index * 20, name),
        ];
  });
  return [...ticks, ...names, ...drawn];
}

/** The next round number, by which four lines are round, too. */
function ceiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10].find((times) => times * power >= value) ?? 10);
}

function cpuBars(rows: readonly Row[]): readonly string[] {
  const most = Math.max(1, ...rows.map(({ cpuMicros }) => total(cpuMicros)));
  const threads = threadsOf(rows);
  const legend = threads.flatMap((name, index) => [
    `<rect x="${plot.left + index * bars.legendWidth}" y="${bars.top - 22}" width="12" height="12" fill="${colour(index)}"/>`,
    text(plot.left + 16 + index * bars.legendWidth, bars.top - 12, name),
  ]);
  const drawn = rows.flatMap(({ operation, concurrency, cpuMicros }, row) => {
    const y = bars.top + (row + 0.5) * bars.rowHeight;
    let x = bars.left;
    const parts = threads.map((name, index) => {
      const length = ((cpuMicros[name] ?? 0) / most) * bars.width;
      x += length;
      return `<rect x="${(x - length).toFixed(1)}" y="${y}" width="${length.toFixed(1)}" height="14" fill="${colour(index)}"/>`;
    });
    return [
      text(bars.left - 8, y + 11, `${operation} at ${concurrency}`, 'text-anchor="end"'),
      ...parts,
      text(x + 6, y + 11, total(cpuMicros).toFixed(0)),
    ];
  });
  return [...legend, ...drawn];
}
