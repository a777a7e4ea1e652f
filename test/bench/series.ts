/** What Prometheus would read: the value of each series, by its name with its labels. */
export type Series = ReadonlyMap<string, number>;

export function parseSeries(text: string): Series {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** The series of one metric that have these labels, by another label of theirs. */
export function byLabel(
  series: Series,
  metric: string,
  label: string,
  having: Readonly<Record<string, string>> = {},
): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [name, value] of series) {
    if (!name.startsWith(`${metric}{`)) continue;
    const labels = Object.fromEntries([...name.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, text]) => [key, text ?? ""]));
    if (Object.entries(having).some(([key, text]) => labels[key] !== text)) continue;
    const key = labels[label] ?? "";
    sums[key] = (sums[key] ?? 0) + value;
  }
  return sums;
}
