/** How many of a kind there may be of those that a principal has created, as long as they are there. */
export type CountQuota = {
  /** Undefined: as many as there may be of all. */
  readonly most: (principal: string) => number | undefined;
  /** One more was refused. */
  readonly exceeded: (principal: string) => void;
};

export const noCountQuota: CountQuota = { most: () => undefined, exceeded: () => undefined };
