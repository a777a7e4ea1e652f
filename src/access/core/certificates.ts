import type { Certificate } from "../../kernel/certificate.ts";
import { isPrincipal } from "./principal-name.ts";

/** For whom a certificate stands that has such a name. */
export type CertificateRule = {
  /** Which of its names: a URI (a SPIFFE id is one) or a DNS name among its alternative names, or the common name of its subject. */
  readonly kind: "uri" | "dns" | "cn";
  /** A name; or the beginning of a URI or common name, and `*`; or `*.` and a domain, for all names with one label before it. */
  readonly pattern: string;
  /** A name, in which `{uri}`, `{dns}` or `{cn}` is the name that matched. */
  readonly principal: string;
};

/** By the first rule that matches. Undefined: it stands for nobody, as does one whose name would be none of a principal. */
export function principalOf(rules: readonly CertificateRule[], certificate: Certificate): string | undefined {
  for (const { kind, pattern, principal } of rules) {
    const name = namesOf(certificate, kind).find((each) => matches[kind](each, pattern));
    if (name === undefined) continue;
    const named = principal.split(`{${kind}}`).join(name);
    return isPrincipal(named) ? named : undefined;
  }
  return undefined;
}

function namesOf({ uris, dnsNames, commonName }: Certificate, kind: CertificateRule["kind"]): readonly string[] {
  if (kind === "uri") return uris;
  if (kind === "dns") return dnsNames;
  return commonName === undefined ? [] : [commonName];
}

const beginsLike = (name: string, pattern: string): boolean =>
  pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;

/** As certificates themselves have wildcards (RFC 6125): one label, and in any case. */
function isDnsLike(name: string, pattern: string): boolean {
  const [asked, wanted] = [name.toLowerCase(), pattern.toLowerCase()];
  if (!wanted.startsWith("*.")) return asked === wanted;
  const dot = asked.indexOf(".");
  return dot > 0 && asked.slice(dot) === wanted.slice(1);
}

const matches = { uri: beginsLike, cn: beginsLike, dns: isDnsLike } as const;
