// Draws the panels of deploy/grafana/concord.json, with what a Prometheus has of the last minutes, as docs/dashboard.svg. Grafana itself is not needed.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const root = join(import.meta.dirname, "..");
const help = `Usage: node scripts/dashboard-picture.ts [--prometheus URL] [--minutes N] [--rows N]

  --prometheus URL  that has scraped a server (default: http://127.0.0.1:9090)
  --minutes N       how far back (default: 10)
  --rows N          how many rows of panels, from the top (default: 3)`;

const { values } = parseArgs({
  options: {
    prometheus: { type: "string", default: "http://127.0.0.1:9090" },
    minutes: { type: "string", default: "10" },
    rows: { type: "string", default: "3" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}

type Panel = {
  readonly type: "row" | "stat" | "timeseries" | "table";
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat?: string }[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
};
type Series = { readonly name: string; readonly points: readonly (readonly [seconds: number, value: number])[] };

const untilS = Math.floor(Date.now() / 1000);
const fromS = untilS - Number(values.minutes) * 60;
const stepS = Math.max(5, Math.round((untilS - fromS) / 120));

async function seriesOf({
  expr,
  legendFormat = "",
}: {
  readonly expr: string;
  readonly legendFormat?: string;
}): Promise<Series[]> {
  const query = expr.replaceAll("$job", ".*").replaceAll("$instance", ".*").replaceAll("$__rate_interval", "1m");
  const about = new URLSearchParams({ query, start: `${fromS}`, end: `${untilS}`, step: `${stepS}` });
  const answer = await fetch(`${values.prometheus}/api/v1/query_range?${about}`);
  if (!answer.ok) throw new Error(`${expr}: ${await answer.text()}`);
  const { data } = (await answer.json()) as {
    data: { result: { metric: Record<string, string>; values: [number, string][] }[] };
  };
  return data.result.map(({ metric, values: points }) => ({
    name: legendFormat
      .replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? "")
      .replace(/concord\.\w+\.v1\.(\w+\/)?/, ""),
    points: points.map(([at, value]) => [at, Number(value)] as const).filter(([, value]) => Number.isFinite(value)),
  }));
}

/** In the units that the dashboard names. */
function shown(value: number, unit: string | undefined): string {
  const scaled = (by: number, names: readonly string[]): string => {
    const step = Math.min(names.length - 1, Math.max(0, Math.floor(Math.log(Math.max(value, 1)) / Math.log(by))));
    return `${Number((value / by ** step).toPrecision(3))} ${names[step]}`;
  };
  if (unit === "bytes") return scaled(1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
  if (unit === "s") return value < 1 ? `${Number((value * 1000).toPrecision(3))} ms` : `${Number(value.toPrecision(3))} s`;
  if (unit === "percentunit") return `${Number((value * 100).toPrecision(3))} %`;
  const text = String(Number(value.toPrecision(3)));
  return unit === "reqps" || unit === "cps" ? `${text} /s` : text;
}

const colours = ["#1f77b4", "#d95f02", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#17a2b8", "#7f7f7f"];
const cell = { width: 40, height: 24 };
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const text = (x: number, y: number, size: number, words: string, more = ""): string =>
  `<text x="${x}" y="${y}" font-size="${size}" ${more}>${escaped(words)}</text>`;

function draw({ type, title, gridPos, fieldConfig }: Panel, series: readonly Series[]): string {
  const [x, y] = [gridPos.x * cell.width, gridPos.y * cell.height];
  const [width, height] = [gridPos.w * cell.width - 8, gridPos.h * cell.height - 8];
  const unit = fieldConfig?.defaults.unit;
  if (type === "row") return text(x + 4, y + 17, 14, title, 'font-weight="bold"');
  const frame = `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="3" fill="#fff" stroke="#ddd"/>`;
  const heading = text(x + 8, y + 17, type === "stat" ? 10.5 : 12, title);
  if (type === "stat") {
    const newest = series[0]?.points.at(-1)?.[1];
    return (
      frame +
      heading +
      text(x + width / 2, y + height / 2 + 20, 26, newest === undefined ? "–" : shown(newest, unit), 'text-anchor="middle"')
    );
  }
  const most = Math.max(0, ...series.flatMap(({ points }) => points.map(([, value]) => value))) || 1;
  const listed = series.slice(0, 5);
  const [left, top, right, bottom] = [x + 58, y + 28, x + width - 8, y + height - 12 - 14 * Math.ceil(listed.length / 2)];
  const place = ([at, value]: readonly [number, number]): string =>
    `${(left + ((at - fromS) / (untilS - fromS)) * (right - left)).toFixed(1)},${(bottom - (value / most) * (bottom - top)).toFixed(1)}`;
  const lines = listed.map(
    ({ points }, index) =>
      `<polyline fill="none" stroke="${colours[index % colours.length]}" stroke-width="1.3" points="${points.map(place).join(" ")}"/>`,
  );
  const legend = listed.map(({ name }, index) =>
    text(
      x + 10 + (index % 2) * (width / 2),
      bottom + 18 + 14 * Math.floor(index / 2),
      10,
      `— ${name}`.slice(0, 27),
      `fill="${colours[index % colours.length]}"`,
    ),
  );
  const axis = `<path d="M${left} ${top}V${bottom}H${right}" fill="none" stroke="#999"/>`;
  const scale =
    text(left - 4, top + 8, 10, shown(most, unit), 'text-anchor="end"') + text(left - 4, bottom, 10, "0", 'text-anchor="end"');
  return frame + heading + axis + scale + lines.join("") + legend.join("");
}

const dashboard = JSON.parse(readFileSync(join(root, "deploy/grafana/concord.json"), "utf8")) as { panels: readonly Panel[] };
const rowStarts = dashboard.panels.filter(({ type }) => type === "row").map(({ gridPos }) => gridPos.y);
const endsAt = rowStarts[Number(values.rows)] ?? Infinity;
const panels = dashboard.panels.filter(({ type, gridPos }) => type !== "table" && gridPos.y < endsAt);
const drawn = await Promise.all(
  panels.map(async (panel) => draw(panel, (await Promise.all((panel.targets ?? []).map(seriesOf))).flat())),
);
const height = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * cell.height;
writeFileSync(
  join(root, "docs/dashboard.svg"),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -4 ${24 * cell.width + 8} ${height + 8}" font-family="sans-serif" fill="#222">
<title>The dashboard of Concord, with the metrics of one server</title>
<rect x="-8" y="-4" width="100%" height="100%" fill="#f6f6f6"/>
${drawn.join("\n")}
</svg>
`,
);
console.log(`docs/dashboard.svg: ${panels.length} panels`);
