/** Options of a socket that neither runtime has a call for, by its descriptor. No other file calls into C here. */
import { DataType, load, open } from 'ffi-rs';

const LIBRARY = 'libc of the sockets';
let opened = false;

/** Throws where the system refuses. */
export function setOption(fd: number, level: number, name: number, value: number): void {
  // An empty path names the process itself, which has libc's symbols.
  if (!opened) open({ library: LIBRARY, path: '' });
  opened = true;
  const bytes = Buffer.alloc(Int32Array.BYTES_PER_ELEMENT);
  bytes.writeInt32LE(value);
  const result = load({
    library: LIBRARY,
    funcName: 'setsockopt',
    retType: DataType.I32,
    paramsType: [DataType.I32, DataType.I32, DataType.I32, DataType.U8Array, DataType.I32],
    paramsValue: [fd, level, name, bytes, bytes.length],
  });
  if (result !== 0) throw new Error(`setsockopt(${level}, ${name}) failed`);
}
