/**
 * Which of the processes that share a port gets a connection. By itself Linux takes the hash of both addresses and
 * ports, so that a client is somewhere else each time; this program, which the kernel runs for every new connection,
 * takes the client's address alone (SO_ATTACH_REUSEPORT_CBPF, socket(7)).
 */
import { INSTRUCTION, setProgram } from './socket-option.ts';

/** Linux's numbers (asm-generic/socket.h). */
const SOL_SOCKET = 1;
const SO_ATTACH_REUSEPORT_CBPF = 51;

/** Of the classic BPF (linux/bpf_common.h, linux/filter.h): an operation and its operands. */
type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, k: number];

/** Where the packet's IP header begins, of whichever version. */
const HEADER = -0x100000;
/** Of the client's address in IPv4's header, and of the first half of it, its network, in IPv6's. */
const IPV4_SOURCE = HEADER + 12;
const IPV6_SOURCE = HEADER + 8;
/** Odd, and with ones all over: addresses that differ in their last bits must not all meet in one process. */
const MULTIPLIER = 0x45d9f3b;

const loadByte = (at: number): Instruction => [0x30, 0, 0, at];
const loadWord = (at: number): Instruction => [0x20, 0, 0, at];
const shiftRight = (bits: number): Instruction => [0x74, 0, 0, bits];
const ifEqual = (value: number, skip: number): Instruction => [0x15, skip, 0, value];
const skip = (count: number): Instruction => [0x05, 0, 0, count];
const multiply = (by: number): Instruction => [0x24, 0, 0, by];
const remainder = (by: number): Instruction => [0x94, 0, 0, by];
const KEEP: Instruction = [0x07, 0, 0, 0];
const XOR_KEPT: Instruction = [0xac, 0, 0, 0];
const ANSWER: Instruction = [0x16, 0, 0, 0];
const FOLD: readonly Instruction[] = [KEEP, shiftRight(16), XOR_KEPT];

function program(processes: number): readonly Instruction[] {
  const ofIpv4 = [loadWord(IPV4_SOURCE)];
  const ofIpv6 = [loadWord(IPV6_SOURCE), KEEP, loadWord(IPV6_SOURCE + 4), XOR_KEPT];
  return [
    ...[loadByte(HEADER), shiftRight(4), ifEqual(6, ofIpv4.length + 1)],
    ...[...ofIpv4, skip(ofIpv6.length)],
    ...ofIpv6,
    ...[...FOLD, multiply(MULTIPLIER), ...FOLD],
    ...[remainder(processes), ANSWER],
  ];
}

/**
 * For all that share the port with this listening socket. An answer beyond their number is none to the kernel, which
 * then goes by its own hash: while a process is missing, its clients are spread over the others.
 */
export function spreadByClient(fd: number, processes: number): void {
  const instructions = program(processes);
  const octets = Buffer.alloc(instructions.length * INSTRUCTION);
  instructions.forEach(([code, jumpTrue, jumpFalse, k], index) => {
    const at = index * INSTRUCTION;
    octets.writeUInt16LE(code, at);
    octets.writeUInt8(jumpTrue, at + 2);
    octets.writeUInt8(jumpFalse, at + 3);
    octets.writeInt32LE(k, at + 4);
  });
  setProgram(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, octets);
}
