/** Waits for the end of a connection, which never comes where it leads nowhere any more. */
export async function atMost(milliseconds: number, end: Promise<unknown>): Promise<void> {
  const patience = new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
  await Promise.race([end, patience]);
}

export const GOODBYE_MS = 2_000;
