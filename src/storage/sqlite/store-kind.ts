/** What a store's file is for. Stands in the file as SQLite's `application_id`, so that no other database is taken for it. */
export const storeKinds = {
  workflows: { applicationId: 0x436f_6e01, title: "workflow store" },
  rules: { applicationId: 0x436f_6e02, title: "rule store" },
  "decision-log": { applicationId: 0x436f_6e03, title: "decision log" },
  "participant-log": { applicationId: 0x436f_6e04, title: "participant log" },
  "key-value": { applicationId: 0x436f_6e05, title: "key-value store" },
  verdicts: { applicationId: 0x436f_6e06, title: "verdict log" },
  sinks: { applicationId: 0x436f_6e07, title: "store of sinks" },
} as const;

export type StoreKind = keyof typeof storeKinds;

/** By its `application_id`. Undefined: Concord did not make it. */
export const kindOf = (applicationId: number): StoreKind | undefined =>
  (Object.keys(storeKinds) as StoreKind[]).find((kind) => storeKinds[kind].applicationId === applicationId);
