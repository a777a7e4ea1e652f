// What npm's own registry knows of the packages that an installed Concord has.
import { spawnSync } from "node:child_process";

/** What was found, as lines; or why nobody knows. */
export type Audit = { readonly found: readonly string[] } | { readonly unknown: string };

/** `accepted`: a text with the ids (GHSA-…) of what does not concern Concord, and why. */
export function audit(accepted: string): Audit {
  // Offline, it would ask nobody and know of nothing.
  const args = ["audit", "--omit=dev", "--json", "--offline=false", "--fetch-retries=0", "--fetch-timeout=15000"];
  const { stdout, error } = spawnSync("npm", args, { encoding: "utf8", timeout: 60_000 });
  return error ? { unknown: error.message } : auditOf(stdout, accepted);
}

type Via = string | { readonly url?: string; readonly title?: string; readonly severity?: string; readonly range?: string };

type Report = {
  readonly auditReportVersion?: number;
  readonly vulnerabilities?: Readonly<Record<string, { readonly via: readonly Via[] }>>;
  readonly statusCode?: number;
  readonly message?: string;
  readonly error?: { readonly code?: string; readonly summary?: string };
};

/** Of what `npm audit --json` says. */
export function auditOf(json: string, accepted: string): Audit {
  const report = parsed(json);
  if (report?.auditReportVersion === undefined) return { unknown: whyNot(report) };
  // A package that only needs one with an advisory has that one's name here.
  const found = Object.entries(report.vulnerabilities ?? {}).flatMap(([name, { via }]) =>
    via.flatMap((each) => (typeof each === "string" ? [] : [{ name, ...each }])),
  );
  return {
    found: found
      .filter(({ url = "" }) => !accepted.includes(url.slice(url.lastIndexOf("/") + 1)) || url === "")
      .map(({ name, severity = "", title = "", range = "", url = "" }) => `${name} ${range}: ${title} (${severity}) ${url}`),
  };
}

/** Without the address that was asked, which is of this machine. */
function whyNot(report: Report | undefined): string {
  if (report?.statusCode !== undefined) return `its registry answers with ${report.statusCode}`;
  const code = report?.error?.code ?? /\bE[A-Z_]{4,}\b/.exec(report?.message ?? "")?.[0];
  return code === undefined ? "it says nothing that can be read" : `nobody answers (${code})`;
}

function parsed(json: string): Report | undefined {
  try {
    return JSON.parse(json) as Report;
  } catch {
    return undefined;
  }
}
