/**
 * Bun's sockets call their handlers from inside calls on them (closing does always). Nobody above is to be re-entered:
 * between `enter` and `leave` events are put off, whichever socket they are about, until the call has returned.
 *
 * An event is a step that is shared, and what it is about: a closure for each would be made at each close, and its
 * scope at each event, put off or not.
 */
type Step<Socket, Told> = (socket: Socket, told: Told) => void;
type Event = { step: Step<unknown, unknown>; socket: unknown; told: unknown };

let inside = false;
let events: Event[] = [];

export function enter(): void {
  inside = true;
}

/** The microtask starts here and not where the event came: Bun may run microtasks before a call returns. */
export function leave(): void {
  inside = false;
  if (events.length > 0) runLater();
}

function runLater(): void {
  const due = events;
  events = [];
  queueMicrotask(() => {
    for (const { step, socket, told } of due) step(socket, told);
  });
}

export function isInside(): boolean {
  return inside;
}

/** For an event that came inside a call: runs it as soon as the call is over. */
export function putOff<Socket, Told>(step: Step<Socket, Told>, socket: Socket, told: Told): void {
  events.push({ step: step as Step<unknown, unknown>, socket, told });
}
