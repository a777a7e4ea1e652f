import type { IncomingHttpHeaders } from "node:http2";
import type { Metadata } from "nice-grpc-common";
import { createProof, noProof, type Proof } from "../access/proof.ts";
import { nobody } from "../kernel/principal.ts";

/** What has been proved of the calls that are under way, from the front, where they come in, to their handlers. */
export type Entrants = {
  /** Puts it beside the call, over whatever its caller may have sent under that name. Returns how it leaves again, if it does. */
  readonly enter: (headers: IncomingHttpHeaders, proof: Proof) => (() => void) | undefined;
  readonly proofOf: (metadata: Metadata) => Proof;
};

/** grpc-js shows a handler nothing of where a call came from but its headers. */
const entrantKey = "concord-entrant";

export function createEntrants(): Entrants {
  const proofs = new Map<string, Proof>();
  let count = 0;
  return {
    enter: (headers, proof) => {
      if (proof === noProof) {
        delete headers[entrantKey];
        return undefined;
      }
      count += 1;
      const key = String(count);
      headers[entrantKey] = key;
      proofs.set(key, proof);
      return () => void proofs.delete(key);
    },
    proofOf: (metadata) => {
      const key = metadata.get(entrantKey) as string | undefined;
      return key === undefined ? noProof : (proofs.get(key) ?? left);
    },
  };
}

/** Of a call whose stream is closed already: whatever it is about to do, it does as one who is nobody, and is ended. */
const leaving = createProof(nobody);
leaving.revoke();
const left: Proof = leaving;
