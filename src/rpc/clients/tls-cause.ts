/** What has ended a handshake of TLS, or has come instead of one. */
export type TlsTrouble =
  | "untrusted"
  | "wrong-name"
  | "expired"
  | "plain-server"
  | "no-version"
  | "certificate-wanted"
  | "certificate-refused"
  | "files";

/** The words of Node 26 and of its OpenSSL, in this order. An alert is the other end's, of this one's certificate. */
const words: readonly (readonly [RegExp, TlsTrouble])[] = [
  [/alert certificate required|handshake failure.*certificate/i, "certificate-wanted"],
  [/alert (?:bad certificate|unknown ca|certificate (?:expired|revoked|unknown))/i, "certificate-refused"],
  [/closed during the handshake of TLS/, "certificate-refused"],
  [/alert protocol version|unsupported protocol|no protocols available/i, "no-version"],
  [/wrong version number|packet length too long|http request/i, "plain-server"],
  [/ALTNAME_INVALID|does not match certificate's altnames/, "wrong-name"],
  [/certificate has expired|CERT_HAS_EXPIRED|not yet valid/i, "expired"],
  [
    /self-signed certificate|unable to (?:get|verify)|invalid CA|certificate signature failure|unsuitable certificate/i,
    "untrusted",
  ],
  [/^the (?:CA|client's (?:certificate|key)) cannot be read|no start line|key values mismatch|PEM/i, "files"],
];

/** Undefined: it was something else. */
export const tlsTroubleOf = (error: string): TlsTrouble | undefined => words.find(([pattern]) => pattern.test(error))?.[1];

/** As a cause, in a few words. */
export const tlsCauses: Readonly<Record<TlsTrouble, string>> = {
  untrusted: "its certificate is signed by nobody who is trusted here",
  "wrong-name": "its certificate is for other names",
  expired: "its certificate is not valid at this time",
  "plain-server": "it speaks plain text, and TLS is asked for here",
  "no-version": "it speaks other versions of TLS",
  "certificate-wanted": "it asks for a certificate, and none is set here",
  "certificate-refused": "it does not accept the certificate that is set here; its log says why",
  files: "what is set here for TLS cannot be used",
};
