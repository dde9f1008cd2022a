/** Options of a socket that neither runtime has a call for, by its descriptor. No other file calls into C here. */
import { createPointer, DataType, load, open, unwrapPointer } from 'ffi-rs';

const LIBRARY = 'libc of the sockets';
/** Octets of one instruction of a program, struct sock_filter. */
export const INSTRUCTION = 8;
let opened = false;

function openLibrary(): void {
  // An empty path names the process itself, which has libc's symbols.
  if (!opened) open({ library: LIBRARY, path: '' });
  opened = true;
}

/** Throws where the system refuses. */
export function setOption(fd: number, level: number, name: number, value: number): void {
  openLibrary();
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

/** Of struct sock_fprog, on machines of 64 bits. */
const PROGRAM_HEADER = 16;

/** For an option that takes a program (linux/filter.h). Throws where the system refuses. */
export function setProgram(fd: number, level: number, name: number, program: Buffer): void {
  openLibrary();
  // The copy that the pointer leads to stays: a program for each listener, once.
  const [filter] = unwrapPointer(createPointer({ paramsType: [DataType.U8Array], paramsValue: [program] }));
  const header = { len: DataType.I32, filter: DataType.External };
  const result = load({
    library: LIBRARY,
    funcName: 'setsockopt',
    retType: DataType.I32,
    paramsType: [DataType.I32, DataType.I32, DataType.I32, header, DataType.I32],
    paramsValue: [fd, level, name, { len: program.length / INSTRUCTION, filter: filter! }, PROGRAM_HEADER],
  });
  if (result !== 0) throw new Error(`setsockopt(${level}, ${name}) failed`);
}
