import { expect, test } from "vitest";
import { byLabel, parseSeries } from "../../bench/series.ts";

const series = parseSeries(
  [
    "# HELP calls_total Calls",
    "# TYPE calls_total counter",
    'calls_total{method="a/B",code="OK"} 3',
    'calls_total{method="a/B",code="UNAVAILABLE"} 1',
    'calls_total{method="a/C",code="OK"} 8',
    "undecided 2",
    "",
  ].join("\n"),
);

test("a series without labels has its value by its name", () => {
  expect(series.get("undecided")).toBe(2);
});

test("series of a metric are summed by one label, where others are as they were asked for", () => {
  expect(byLabel(series, "calls_total", "code", { method: "a/B" })).toEqual({ OK: 3, UNAVAILABLE: 1 });
  expect(byLabel(series, "calls_total", "code")).toEqual({ OK: 11, UNAVAILABLE: 1 });
  expect(byLabel(series, "calls", "code")).toEqual({});
});
