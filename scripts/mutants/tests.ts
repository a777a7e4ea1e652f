/** Tests that run in one process, and soon. The others kill processes, play whole clusters, or explore for minutes. */
export const testFolders = ["unit", "property", "scenarios", "storage", "contract"] as const;

export const slowTestFiles: ReadonlySet<string> = new Set<string>([]);
