import type { PublishProgress } from '../tables/publish/progress.ts';

/** Drawn so often: smooth for the eye, nothing for the sync. */
const DRAW_EVERY = 200;
const BAR_WIDTH = 24;
/** To the start of the line, and away with what stands on it. */
const CLEAR = '\r\x1b[K';

export type ProgressBar = { show(progress: PublishProgress): void; clear(): void };

/** A line on a terminal that is drawn over and over. */
export function progressBar(write: (text: string) => void, clock = () => performance.now()): ProgressBar {
  const started = clock();
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    show(progress) {
      const now = clock();
      if (now - drawn < DRAW_EVERY) return;
      drawn = now;
      write(CLEAR + progressLine(progress, (now - started) / 1000));
    },
    clear: () => {
      if (drawn !== Number.NEGATIVE_INFINITY) write(CLEAR);
    },
  };
}

/** @param seconds since the start */
export function progressLine({ files, octets, rows, hashed }: PublishProgress, seconds: number): string {
  // Of empty files the number is all there is to go by.
  const done = octets.all > 0 ? octets.done / octets.all : files.done / Math.max(files.all, 1);
  const bar = '#'.repeat(Math.floor(done * BAR_WIDTH)).padEnd(BAR_WIDTH, '.');
  const rate = seconds > 0 ? Math.round(hashed / seconds) : 0;
  const left = done > 0 ? span((seconds / done) * (1 - done)) : '?';
  const parts = [`${files.done}/${files.all} files`, `${rows} rows`, `${rate} hashed/s`, `ETA ${left}`];
  return `[${bar}] ${Math.floor(done * 100)}% ${parts.join(', ')}`;
}

function span(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
