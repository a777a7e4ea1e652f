import type pg from "pg";

/**
 * What DISCARD ALL does, except that statements stay prepared which node-postgres has prepared, and remembers by name. It also gives back
 * the advisory locks. Answers whether there are statements prepared in SQL: only the end of the session is sure to remove them.
 */
const reset = `CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all();
  DISCARD SEQUENCES; DISCARD TEMP; SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE from_sql) AS dirty`;

/** A connection on which anything failed is not used again: its backend rolls back what is open. */
export async function withClient<T>(pool: pg.Pool, run: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  return lend(pool, async (client) => ({ result: await run(client), dirty: false }));
}

/** For what others wrote: nothing that it does to its session is found by whoever is lent the connection next. */
export async function withCleanClient<T>(pool: pg.Pool, run: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  return lend(pool, async (client) => {
    const result = await run(client);
    const answers = (await client.query(reset)) as unknown as readonly pg.QueryResult<{ dirty: boolean }>[];
    return { result, dirty: answers.at(-1)?.rows[0]?.dirty !== false };
  });
}

async function lend<T>(
  pool: pg.Pool,
  run: (client: pg.PoolClient) => Promise<{ readonly result: T; readonly dirty: boolean }>,
): Promise<T> {
  const client = await pool.connect();
  // Without a listener, a connection that breaks between two queries would end the process. The next query fails.
  const ignore = (): void => {};
  client.on("error", ignore);
  try {
    const { result, dirty } = await run(client);
    client.release(dirty);
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  } finally {
    client.off("error", ignore);
  }
}
