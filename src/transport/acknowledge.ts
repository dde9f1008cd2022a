import { setOption } from './socket-option.ts';

/** Linux's numbers (netinet/tcp.h). */
const SOL_TCP = 6;
const TCP_QUICKACK = 12;

/** For a connection that may be going at this moment: then there is nobody to acknowledge anything to. */
export function tryAcknowledge(fd: number): void {
  if (fd < 0) return;
  try {
    setOption(fd, SOL_TCP, TCP_QUICKACK, 1);
  } catch {
    // The peer has reset it; its `closed` is on the way.
  }
}
