import { describe, expect, test } from "vitest";
import { answerBytesMax, stretchRowsMax } from "../../../src/kernel/limits.ts";
import { stretchOf } from "../../../src/kernel/stretch.ts";
import { createReadPage, type List, type Page } from "../../../src/rpc/list.ts";

type Row = { readonly id: string; readonly bytes: number };

const rowsOf = (count: number, bytes = 10): Row[] =>
  Array.from({ length: count }, (_, index) => ({ id: String(index).padStart(6, "0"), bytes }));

/** A list of these rows that is read with a clock and turns of the test's own, and counts what is done for it. */
function listing(rows: readonly Row[], { matches, msEach = 0 }: { matches?: (row: Row) => boolean; msEach?: number } = {}) {
  const counts = { reads: 0, asked: 0, breaths: 0, mostBetweenBreaths: 0 };
  let sinceBreath = 0;
  let nowMs = 0;
  const worked = (count: number): void => {
    sinceBreath += count;
    counts.mostBetweenBreaths = Math.max(counts.mostBetweenBreaths, sinceBreath);
  };
  const readPage = createReadPage({
    turns: (signal) => async () => {
      signal?.throwIfAborted();
      counts.breaths += 1;
      sinceBreath = 0;
    },
    clock: { nowMs: () => nowMs },
  });
  const list: List<Row> = {
    scope: "rows",
    keyOf: ({ id }) => id,
    read: async (after, limit) => {
      counts.reads += 1;
      const first = after === undefined ? 0 : rows.findIndex(({ id }) => id > after);
      return stretchOf(first < 0 ? [] : rows.slice(first, first + limit), limit, ({ id }) => id);
    },
    matches:
      matches &&
      ((row) => {
        counts.asked += 1;
        nowMs += msEach;
        worked(1);
        return matches(row);
      }),
    encode: ({ bytes }) => new Uint8Array(bytes),
  };
  const page = (pageSize: number, pageToken = "", caller: Partial<Parameters<typeof readPage>[2]> = {}): Promise<Page> =>
    readPage(list, { pageSize, pageToken }, { signal: new AbortController().signal, deadlineMs: undefined, ...caller });
  /** The sizes of all pages. */
  async function pages(pageSize: number): Promise<number[]> {
    const sizes: number[] = [];
    for (let token: string | undefined = ""; token !== undefined; ) {
      const { items, nextPageToken } = await page(pageSize, token);
      sizes.push(items.length);
      token = nextPageToken === "" ? undefined : nextPageToken;
    }
    return sizes;
  }
  return { page, pages, counts };
}

describe("a page", () => {
  test("without a filter is read in one go, and knows whether more follow", async () => {
    const { pages, counts } = listing(rowsOf(5));
    expect(await pages(5)).toEqual([5]);
    expect(counts.reads).toBe(1);
    expect(await pages(2)).toEqual([2, 2, 1]);
  });

  test("of one item, with a filter that matches rarely, is read in stretches and not row by row", async () => {
    const rows = rowsOf(5_000);
    const { page, counts } = listing(rows, { matches: ({ id }) => id === "004999" });
    const { items, nextPageToken } = await page(1);
    expect([items.length, nextPageToken, counts.asked]).toEqual([1, "", 5_000]);
    expect(counts.reads).toBe(Math.ceil(5_000 / stretchRowsMax));
  });

  test("whose filter matches nothing of 30,000 ends after its share, empty and with a token, and breathes before each row", async () => {
    const { pages, counts } = listing(rowsOf(30_000), { matches: () => false });
    const sizes = await pages(100);
    expect(sizes).toEqual([0, 0, 0]);
    expect(counts.asked).toBe(30_000);
    expect(counts.reads).toBe(Math.ceil(30_000 / stretchRowsMax));
    expect(counts.breaths).toBe(counts.asked + counts.reads);
    expect(counts.mostBetweenBreaths).toBe(1);
  });

  test("is below what clients read, and nothing is left out", async () => {
    const bytes = 400 * 1024;
    const sizes = await listing(rowsOf(1_000, bytes)).pages(1_000);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(1_000);
    for (const size of sizes) expect(size * bytes).toBeLessThan(answerBytesMax);
    // As many as fit.
    expect(sizes[0]).toBe(Math.floor(answerBytesMax / bytes));
  });

  test("whose rows take long ends when its time is over, or half of the caller's, with what it has", async () => {
    const slow = { matches: () => true, msEach: 400 };
    expect((await listing(rowsOf(100), slow).page(100)).items).toHaveLength(5);
    const hurried = await listing(rowsOf(100), slow).page(100, "", { deadlineMs: 1_600 });
    expect(hurried.items).toHaveLength(2);
    // One row, however little time there is: who asks on comes to the end.
    expect((await listing(rowsOf(100), slow).page(100, "", { deadlineMs: 1 })).items).toHaveLength(1);
    expect((await listing(rowsOf(12), slow).pages(100)).reduce((sum, size) => sum + size, 0)).toBe(12);
  });

  test("ends with its caller, before the next row", async () => {
    const caller = new AbortController();
    const { page, counts } = listing(rowsOf(1_000), {
      matches: ({ id }) => {
        if (id === "000009") caller.abort(new Error("left"));
        return true;
      },
    });
    await expect(page(1_000, "", { signal: caller.signal })).rejects.toThrow("left");
    expect(counts.asked).toBe(10);
  });
});
