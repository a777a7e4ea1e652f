import type { Logger } from "../../../src/runtime/logger.ts";
import type { Stage } from "../stage.ts";

/** What services log, as far as the world must hear of it. */
export const quietLogger = (stage: Stage, name: string): Logger =>
  ({ ...stage.logger(name), isLevelEnabled: () => false }) as unknown as Logger;
