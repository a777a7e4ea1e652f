// What the standard variables of OpenTelemetry ask for: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
// What is not here, its own libraries read: endpoints, headers, timeouts, compression, certificates, the resource.

export type Environment = Readonly<Record<string, string | undefined>>;

export type Signal = "traces" | "metrics";

/** What is to be exported. Empty, unless somebody has said where to. */
export type Wanted = {
  readonly signals: readonly Signal[];
  /** What was asked for, and is not done. For the log. */
  readonly problems: readonly string[];
};

/** Over HTTP, in protobuf: the default of the specification, and what every collector takes. */
const protocol = "http/protobuf";

export function wantedBy(environment: Environment): Wanted {
  if (textOf(environment, "OTEL_SDK_DISABLED")?.toLowerCase() === "true") return { signals: [], problems: [] };
  const signals: Signal[] = [];
  const problems: string[] = [];
  for (const signal of ["traces", "metrics"] as const) {
    const name = signal.toUpperCase();
    const variable = (what: string): string | undefined =>
      textOf(environment, `OTEL_EXPORTER_OTLP_${name}_${what}`) ?? textOf(environment, `OTEL_EXPORTER_OTLP_${what}`);
    const exporter = textOf(environment, `OTEL_${name}_EXPORTER`) ?? "otlp";
    const asked = variable("PROTOCOL") ?? protocol;
    if (variable("ENDPOINT") === undefined || exporter === "none") continue;
    if (exporter !== "otlp") problems.push(`OTEL_${name}_EXPORTER=${exporter} is not known; otlp is`);
    else if (asked !== protocol)
      problems.push(`${signal} are not exported over ${asked}, but over ${protocol}: OTEL_EXPORTER_OTLP_PROTOCOL`);
    else signals.push(signal);
  }
  return { signals, problems };
}

/** An empty variable is as good as none. */
export function textOf(environment: Environment, name: string): string | undefined {
  const text = environment[name]?.trim();
  return text === "" ? undefined : text;
}

/** A whole number above 0; else what stands in its place. */
export function countOf(environment: Environment, name: string, otherwise: number): number {
  const count = Number(textOf(environment, name));
  return Number.isSafeInteger(count) && count > 0 ? count : otherwise;
}
