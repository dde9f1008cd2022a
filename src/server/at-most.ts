/** How long the last lines of the log may take to be written: a reader that stands still keeps no stopped proxy alive. */
export const FLUSH_MS = 2000;

/** Resolves when what is coming has come, or when it took too long. */
export async function atMost(ms: number, coming: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([coming, late]);
  clearTimeout(timer);
}
