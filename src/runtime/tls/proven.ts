import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { Certificate } from "../../kernel/certificate.ts";
import type { TimeMs } from "../../kernel/time.ts";

/** Of a connection whose handshake is over. Undefined: its client has shown no certificate. */
export function provenBy(socket: TLSSocket): Certificate | undefined {
  const shown = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return shown && certificateOf(shown);
}

export function certificateOf(shown: X509Certificate): Certificate {
  const { CN: commonName } = shown.toLegacyObject().subject as { readonly CN?: string | readonly string[] };
  const names = alternativeNames(shown.subjectAltName ?? "");
  const of = (type: string): readonly string[] => names.filter((name) => name.type === type).map(({ value }) => value);
  return {
    uris: of("URI"),
    dnsNames: of("DNS"),
    commonName: typeof commonName === "string" ? commonName : undefined,
    notAfterMs: shown.validToDate.getTime() as TimeMs,
    fingerprint: shown.fingerprint256,
  };
}

/** As Node writes them, `DNS:localhost, URI:"spiffe://a\u002cb"`: what could be taken for more than one name is a JSON string. */
function alternativeNames(text: string): readonly { readonly type: string; readonly value: string }[] {
  return [...text.matchAll(/([A-Za-z][\w ]*):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)].map(([, type = "", value = ""]) => ({
    type,
    value: value.startsWith('"') ? (JSON.parse(value) as string) : value,
  }));
}
