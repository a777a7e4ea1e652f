import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { countOf, wantedBy } from "../../../../src/runtime/telemetry/environment.ts";
import { openTelemetry } from "../../../../src/runtime/telemetry/open.ts";
import { samplerOf } from "../../../../src/runtime/telemetry/sampler.ts";

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" };

describe("what is exported:", () => {
  test.each([
    ["nothing, as a rule", {}, []],
    ["both, if there is a collector", endpoint, ["traces", "metrics"]],
    ["traces, if they have one", { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c:4318/v1/traces" }, ["traces"]],
    ["metrics, if they have one", { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://c:4318/v1/metrics" }, ["metrics"]],
    ["nothing, if its collector is empty", { OTEL_EXPORTER_OTLP_ENDPOINT: " " }, []],
    ["nothing, if it is disabled", { ...endpoint, OTEL_SDK_DISABLED: "TRUE" }, []],
    ["both, if it is not", { ...endpoint, OTEL_SDK_DISABLED: "false" }, ["traces", "metrics"]],
    ["what has an exporter", { ...endpoint, OTEL_TRACES_EXPORTER: "none", OTEL_METRICS_EXPORTER: "otlp" }, ["metrics"]],
    ["what goes over HTTP", { ...endpoint, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/protobuf" }, ["traces", "metrics"]],
  ])("%s", (_, environment, signals) => {
    expect(wantedBy(environment)).toEqual({ signals, errors: [], problems: [] });
  });

  test.each([
    ["for both", "OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense", []],
    ["of another kind", "OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", []],
    ["for one", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "//c:4318", ["metrics"]],
  ])("an endpoint that is none is told once, by its variable: %s", async (_, name, value, signals) => {
    const environment = { ...endpoint, [name]: value };
    const message = `${name}: "${value}" (environment) must be a URL such as http://127.0.0.1:4318`;
    expect(wantedBy(environment)).toEqual({ signals, errors: [message], problems: [] });
    const opened = await openTelemetry(environment, { serviceName: "concord", version: "0" }, pino({ enabled: false }));
    expect(opened).toEqual({ ok: false, error: { message } });
  });

  test("an endpoint that is none is as good as one where nothing is exported to it", () => {
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: "nonsense", OTEL_TRACES_EXPORTER: "none", OTEL_METRICS_EXPORTER: "none" };
    expect(wantedBy(environment)).toEqual({ signals: [], errors: [], problems: [] });
  });

  test("what is asked for and not done is told", async () => {
    const environment = { ...endpoint, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "grpc", OTEL_METRICS_EXPORTER: "prometheus" };
    const { signals, problems } = wantedBy(environment);
    expect(signals).toEqual([]);
    expect(problems).toEqual([
      expect.stringContaining("traces are not exported over grpc, but over http/protobuf"),
      expect.stringContaining("OTEL_METRICS_EXPORTER=prometheus"),
    ]);
    const lines: string[] = [];
    const logger = pino({}, { write: (line: string) => void lines.push(line) });
    expect(await openTelemetry(environment, { serviceName: "concord", version: "0" }, logger)).toEqual({
      ok: true,
      value: undefined,
    });
    expect(lines).toHaveLength(2);
  });
});

test("a count that is none stands for the usual one", () => {
  const read = (text: string): number => countOf({ COUNT: text }, "COUNT", 7);
  expect(["3", "0", "-1", "1.5", "x", "", "1e3"].map(read)).toEqual([3, 7, 7, 7, 7, 7, 1_000]);
});

test.each([
  [undefined, undefined, /^ParentBased\{root=AlwaysOnSampler,/],
  ["always_on", undefined, /^AlwaysOnSampler$/],
  ["always_off", undefined, /^AlwaysOffSampler$/],
  ["traceidratio", "0.25", /^TraceIdRatioBased\{0\.25\}$/],
  ["traceidratio", "2", /^TraceIdRatioBased\{1\}$/],
  ["parentbased_always_off", undefined, /^ParentBased\{root=AlwaysOffSampler,/],
  ["parentbased_traceidratio", "0.5", /^ParentBased\{root=TraceIdRatioBased\{0\.5\},/],
  ["what", undefined, /^ParentBased\{root=AlwaysOnSampler,/],
])("OTEL_TRACES_SAMPLER=%s with %s keeps what it says", (sampler, argument, shown) => {
  const environment = { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument };
  expect(samplerOf(environment).toString()).toMatch(shown);
});
