const LINE_EVERY_MS = 5_000;

export interface Progress {
  at(count: number): void;
  end(): void;
}

/** A bar where somebody watches; otherwise a line now and then. */
export async function watchProgress(total: number, start: number, unit: string): Promise<Progress> {
  // The image has no bar to show.
  const bars = process.stderr.isTTY ? await import('cli-progress').catch(() => undefined) : undefined;
  if (!bars) {
    let last = Date.now();
    const at = (count: number): void => {
      if (Date.now() - last < LINE_EVERY_MS) return;
      last = Date.now();
      process.stderr.write(`${count} of ${total} ${unit}\n`);
    };
    return { at, end: () => {} };
  }
  const bar = new bars.SingleBar({
    format: `{bar} {percentage} % | {value} of {total} ${unit} | {eta_formatted} left`,
  });
  bar.start(total, start);
  return { at: (count) => bar.update(count), end: () => bar.stop() };
}
