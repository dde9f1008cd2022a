/** What a crowd holds: each is in one crowd at a time, and keeps its place there. */
export interface Member {
  place: number;
}

/**
 * A set whose members come and go all the time. With a Set, JavaScriptCore kept each member until the next full
 * collection: a Set makes itself a new table again and again, the old ones lead to the new, and each holds on to who
 * was in it. Here who has left is led to by nothing.
 */
export class Crowd<Each extends Member> {
  readonly #members: Each[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** Of all members at this moment: who comes or goes meanwhile changes nothing in it. */
  get members(): readonly Each[] {
    return [...this.#members];
  }

  add(member: Each): void {
    member.place = this.#members.length;
    this.#members.push(member);
  }

  /** The last one takes the place of who leaves; nothing happens where it has left before. */
  delete(member: Each): void {
    if (this.#members[member.place] !== member) return;
    const last = this.#members.pop()!;
    if (last === member) return;
    this.#members[member.place] = last;
    last.place = member.place;
  }
}
