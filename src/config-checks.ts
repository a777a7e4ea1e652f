import { isForThisMachine, takesTls } from "./kernel/address.ts";

/** What is looked at together: each is good by itself. */
type Checked = {
  readonly services: readonly string[];
  readonly listen: string;
  readonly httpListen?: string | undefined;
  readonly metricsListen?: string | undefined;
  readonly predicateAddress?: string | undefined;
  readonly commitAddress?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsClientCa?: string | undefined;
  readonly tlsCrl?: string | undefined;
  readonly peerTls: "off" | "on";
  readonly peerTlsCa?: string | undefined;
  readonly peerTlsCert?: string | undefined;
  readonly peerTlsKey?: string | undefined;
  readonly peerTlsServerName?: string | undefined;
  readonly access?: string | undefined;
  readonly serveUnprotected: "loopback" | "anywhere";
};

/** What is wrong with settings together, each as a line for the operator. */
export const contradictionsIn = (config: Checked): readonly string[] => [
  ...missingAddresses(config),
  ...halfTls(config),
  ...halfPeerTls(config),
  ...unprotected(config),
];

/** A manager that neither serves what it needs nor knows where it is could move nothing, and would look for both at itself. */
function missingAddresses({ services, predicateAddress, commitAddress }: Checked): readonly string[] {
  if (!services.includes("workflow")) return [];
  const needed = [
    ["predicate", "PredicateLogic", predicateAddress],
    ["commit", "TwoPhaseCommit", commitAddress],
  ] as const;
  return needed
    .filter(([service, , address]) => !services.includes(service) && address === undefined)
    .map(
      ([service, name]) => `${service}-address: must say where ${name} is, since this process serves ${services.join(",")} only`,
    );
}

/** What a server could not show or ask for, although somebody wants it to. */
function halfTls({ tlsCert, tlsKey, tlsClientCa, tlsCrl }: Checked): readonly string[] {
  const problems: string[] = [];
  if (tlsCert !== undefined && tlsKey === undefined) problems.push("tls-key: must be set too, since tls-cert is");
  if (tlsKey !== undefined && tlsCert === undefined) problems.push("tls-cert: must be set too, since tls-key is");
  if (tlsClientCa !== undefined && tlsCert === undefined && tlsKey === undefined)
    problems.push("tls-client-ca: asks for clients' certificates, which needs TLS: set tls-cert and tls-key");
  if (tlsCrl !== undefined && tlsClientCa === undefined)
    problems.push("tls-crl: says which clients' certificates are revoked, and none are asked for: set tls-client-ca");
  return problems;
}

function halfPeerTls({ peerTls, peerTlsCa, peerTlsCert, peerTlsKey, peerTlsServerName }: Checked): readonly string[] {
  const problems: string[] = [];
  if (peerTls === "off" && [peerTlsCa, peerTlsCert, peerTlsKey, peerTlsServerName].some((each) => each !== undefined))
    problems.push("peer-tls: must be on, since something of it is set");
  if (peerTlsCert !== undefined && peerTlsKey === undefined)
    problems.push("peer-tls-key: must be set too, since peer-tls-cert is");
  if (peerTlsKey !== undefined && peerTlsCert === undefined)
    problems.push("peer-tls-cert: must be set too, since peer-tls-key is");
  return problems;
}

/** Whoever reaches a port that asks for nothing may do everything. On this machine, that is those whom it lets in. */
function unprotected(config: Checked): readonly string[] {
  const missing = missingProtection(config);
  if (config.serveUnprotected === "anywhere" || missing === undefined) return [];
  const listeners = [
    ["listen", config.listen],
    ["http-listen", config.httpListen],
    ["metrics-listen", config.metricsListen],
  ] as const;
  return listeners
    .filter(([, address]) => address !== undefined && !isForThisMachine(address))
    .map(
      ([name, address]) =>
        `${name}: ${address} is reached from other machines, ${missing}, or listen on 127.0.0.1 or unix:/path, ` +
        "or, if nobody else reaches it, say --serve-unprotected anywhere (docs/security.md)",
    );
}

/** What other machines may reach speaks TLS, and asks who calls. */
function missingProtection({ tlsCert, tlsKey, access }: Checked): string | undefined {
  const isPlain = tlsCert === undefined || tlsKey === undefined;
  if (isPlain && access === undefined) return "in plain text and by anybody: set tls-cert, tls-key and access";
  if (isPlain) return "in plain text: set tls-cert and tls-key";
  return access === undefined ? "by anybody: set access" : undefined;
}

/** Whether a process needs another way than its ports to call itself. */
export const needsOwnListener = ({
  listen,
  tlsCert,
}: {
  readonly listen: string;
  readonly tlsCert?: string | undefined;
}): boolean => tlsCert !== undefined && takesTls(listen);
