/**
 * Bun's sockets call their handlers from inside calls on them (closing does always). Nobody above is to be re-entered:
 * between `enter` and `leave` events are put off, whichever socket they are about, until the call has returned.
 */
type Event = () => void;

let inside = false;
let events: Event[] = [];

export function enter(): void {
  inside = true;
}

/** The microtask starts here and not where the event came: Bun may run microtasks before a call returns. */
export function leave(): void {
  inside = false;
  if (events.length === 0) return;
  const due = events;
  events = [];
  queueMicrotask(() => {
    for (const event of due) event();
  });
}

export function isInside(): boolean {
  return inside;
}

/** For an event that came inside a call: runs it as soon as the call is over. */
export function putOff(event: Event): void {
  events.push(event);
}
