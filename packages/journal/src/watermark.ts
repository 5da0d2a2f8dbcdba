import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { readBytes } from './file-scan.js'
import { crc32 } from './crc-format.js'
import { onOpen } from './system-error.js'

const LENGTH = 26

/**
 * A file that says how far a journal goes, by which lines that others have cut off show at the next start.
 * It is written behind each group and the disk is never waited for: after a loss of power it may be older,
 * which is no fault.
 */
export class Watermark {
  readonly #fd: number

  constructor (path: string) {
    const { O_RDWR, O_CREAT, O_NOFOLLOW = 0 } = constants
    this.#fd = onOpen(path, () => openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600))
  }

  /** Returns the number in the file; 0 when there is none, or it is broken. */
  static read (path: string): number {
    const text = readBytes(path, 0, LENGTH).toString('latin1')
    const [, digits, crc] = /^(\d{16}) ([0-9a-f]{8})\n$/.exec(text) ?? []
    return digits !== undefined && crc === hex(crc32(digits)) ? Number(digits) : 0
  }

  /** Says that all lines up to this number are on the disk. A failure is passed over. */
  write (number: number): void {
    const digits = String(number).padStart(16, '0')
    try {
      writeSync(this.#fd, Buffer.from(`${digits} ${hex(crc32(digits))}\n`, 'latin1'), 0, LENGTH, 0)
    } catch {}
  }

  close (): void {
    closeSync(this.#fd)
  }
}

function hex (value: number): string {
  return value.toString(16).padStart(8, '0')
}
