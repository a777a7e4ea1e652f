import { join } from "node:path";

/** What a process of this name shows, and whom it trusts; of a folder as `concord dev-certs` makes it. Without one: nothing, in plain text. */
export const tlsIn = (folder: string | undefined, name: string) =>
  folder === undefined
    ? undefined
    : { ca: join(folder, "ca.pem"), cert: join(folder, `${name}.pem`), key: join(folder, `${name}-key.pem`) };
