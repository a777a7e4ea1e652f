// What the standard variables of OpenTelemetry ask for: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
// What is not here, its own libraries read: endpoints, headers, timeouts, compression, certificates, the resource.

export type Environment = Readonly<Record<string, string | undefined>>;

export type Signal = "traces" | "metrics";

/** What is to be exported. Empty, unless somebody has said where to. */
export type Wanted = {
  readonly signals: readonly Signal[];
  /** Endpoints that are none: where they lead to, nothing can be exported. By their variables. */
  readonly errors: readonly string[];
  /** What was asked for, and is not done. For the log. */
  readonly problems: readonly string[];
};

/** Over HTTP, in protobuf: the default of the specification, and what every collector takes. */
const protocol = "http/protobuf";

export function wantedBy(environment: Environment): Wanted {
  if (textOf(environment, "OTEL_SDK_DISABLED")?.toLowerCase() === "true") return { signals: [], errors: [], problems: [] };
  const signals: Signal[] = [];
  const errors = new Set<string>();
  const problems: string[] = [];
  for (const signal of ["traces", "metrics"] as const) {
    const name = signal.toUpperCase();
    /** The signal's own variable, or that of all. */
    const variable = (what: string) =>
      [`OTEL_EXPORTER_OTLP_${name}_${what}`, `OTEL_EXPORTER_OTLP_${what}`]
        .map((key) => ({ key, text: textOf(environment, key) }))
        .find(({ text }) => text !== undefined);
    const exporter = textOf(environment, `OTEL_${name}_EXPORTER`) ?? "otlp";
    const asked = variable("PROTOCOL")?.text ?? protocol;
    const endpoint = variable("ENDPOINT");
    if (endpoint === undefined || exporter === "none") continue;
    if (exporter !== "otlp") problems.push(`OTEL_${name}_EXPORTER=${exporter} is not known; otlp is`);
    else if (asked !== protocol)
      problems.push(`${signal} are not exported over ${asked}, but over ${protocol}: OTEL_EXPORTER_OTLP_PROTOCOL`);
    else if (!isWebAddress(endpoint.text))
      errors.add(`${endpoint.key}: ${JSON.stringify(endpoint.text)} (environment) must be a URL such as http://127.0.0.1:4318`);
    else signals.push(signal);
  }
  return { signals, errors: [...errors], problems };
}

const isWebAddress = (text = ""): boolean => /^https?:$/.test(URL.parse(text)?.protocol ?? "");

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
