import { crcFormat } from '@hamicek/noex-journal'

/** Longest line, in bytes: a commit, or a part of a snapshot. */
export const MAX_LINE_BYTES = 268_435_456

/** The lines of all files of a log. */
export const logFormat = crcFormat(MAX_LINE_BYTES)
