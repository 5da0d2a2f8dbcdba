import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  followLines, makeDirectory, sizeOf, syncDirectory, textOfCrcLine, type CrcHead
} from '@hamicek/noex-journal'
import { isHashedStem, keyOf, stemOf } from '../storage/file-name.js'
import type { BackupInfo } from '../types/persistence.js'
import { damagedBackup, lineOfHead, readHead } from './backup-format.js'
import type { BackupHead } from './change-log.js'
import { logFormat } from './log-format.js'
import { readWhole, WholeFile } from './whole-file.js'

const SUFFIX = '.backup'
const MAX_MESSAGE = 1_048_576

/** Place in a backup behind the lines that were read. */
export interface BackupPlace {
  readonly byte: number
  readonly head: CrcHead
}

/** Calls that concern the backups of a store. */
export type BackupCall =
  /** A backup with this head begins; another one that was not ended is dropped. */
  | { readonly type: 'begin', readonly head: BackupHead }
  | { readonly type: 'add', readonly lines: string }
  | { readonly type: 'end' }
  | { readonly type: 'drop' }
  /** Answers with a `BackupInfo[]`, the oldest first. */
  | { readonly type: 'list' }
  /** Checks a backup; answers with its bytes, `undefined` where there is none. */
  | { readonly type: 'check', readonly name: string }
  /** Answers with lines of a backup, as many as go in one message: a `BackupPart`. */
  | { readonly type: 'read', readonly name: string, readonly from: BackupPlace | undefined }
  /** Answers with whether there was one. */
  | { readonly type: 'delete', readonly name: string }

export interface BackupPart {
  /** Texts of lines, without the head and the end of the file. */
  readonly lines: readonly string[]
  /** Where the next part begins; `undefined` behind the last one. */
  readonly next: BackupPlace | undefined
}

/** The backups in the folder `backups` of a log's directory, each a file `<name>.backup`. */
export class BackupFiles {
  readonly #directory: string
  #writing: { readonly path: string, readonly file: WholeFile } | undefined

  /** `directory`: that of the log. */
  constructor (directory: string) {
    this.#directory = join(directory, 'backups')
  }

  /** Removes what there is of backups that were not ended. */
  drop (): void {
    this.#writing?.file.drop()
    this.#writing = undefined
    for (const name of this.#names()) {
      if (name.endsWith(`${SUFFIX}.new`)) rmSync(join(this.#directory, name), { force: true })
    }
  }

  carryOut (call: BackupCall): unknown {
    switch (call.type) {
      case 'begin':
        this.#begin(call.head)
        return undefined
      case 'add':
        this.#add(call.lines)
        return undefined
      case 'end': {
        if (this.#writing === undefined) throw new Error('no backup has begun')
        const { path, file } = this.#writing
        this.#writing = undefined
        file.end(path)
        return undefined
      }
      case 'drop':
        this.drop()
        return undefined
      case 'list':
        return this.#list()
      case 'check':
        return this.#check(call.name)
      case 'read':
        return this.#read(call.name, call.from)
      case 'delete':
        return this.#delete(call.name)
    }
  }

  #begin (head: BackupHead): void {
    this.drop()
    makeDirectory(this.#directory)
    const path = this.#pathOf(head.name)
    this.#writing = { path, file: new WholeFile(`${path}.new`) }
    this.#add(lineOfHead(head))
  }

  #add (lines: string): void {
    if (this.#writing === undefined) throw new Error('no backup has begun')
    try {
      this.#writing.file.add(lines)
    } catch (error) {
      this.#writing = undefined
      throw error
    }
  }

  #list (): BackupInfo[] {
    const infos: BackupInfo[] = []
    for (const file of this.#names()) {
      if (!file.endsWith(SUFFIX)) continue
      const stem = file.slice(0, -SUFFIX.length)
      const path = join(this.#directory, file)
      const head = readHead(path)
      // It has the name by which it is found; one that was copied here says another, perhaps.
      const name = isHashedStem(stem) ? head?.name : keyOf(stem)
      if (head === undefined || name === undefined || stemOf(name) !== stem) {
        throw new Error(`${path} is in the way: it is no backup of this name; move it away`)
      }
      const { createdAt, bucketNames, totalRecords } = head
      infos.push({ id: name, name, createdAt, bucketNames, totalRecords })
    }
    return infos.sort((a, b) => a.createdAt - b.createdAt)
  }

  #check (name: string): number | undefined {
    const path = this.#pathOf(name)
    if (readHead(path) === undefined) return undefined
    const { isWhole, lines, goodBytes } = readWhole(path, () => {})
    if (!isWhole) throw damagedBackup(path, lines + 1, goodBytes)
    return sizeOf(path)
  }

  #read (name: string, from: BackupPlace = { byte: 0, head: logFormat.start }): BackupPart {
    const path = this.#pathOf(name)
    const texts: string[] = []
    let length = 0
    const { goodBytes, size, head, lines } = followLines(path, logFormat, {
      start: from.byte,
      before: from.head,
      visit (line) {
        if (length > MAX_MESSAGE) return false
        const text = textOfCrcLine(line)
        texts.push(text)
        length += text.length
        return true
      }
    })
    // It was whole when it was checked.
    if (lines === 0) throw damagedBackup(path, from.head.revision + 1, from.byte)
    const isLast = goodBytes === size
    if (from.byte === 0) texts.shift()
    if (isLast) texts.pop()
    return { lines: texts, next: isLast ? undefined : { byte: goodBytes, head } }
  }

  #delete (name: string): boolean {
    const path = this.#pathOf(name)
    if (sizeOf(path) === undefined) return false
    rmSync(path)
    syncDirectory(this.#directory)
    return true
  }

  #pathOf (name: string): string {
    return join(this.#directory, `${stemOf(name)}${SUFFIX}`)
  }

  #names (): string[] {
    try {
      return readdirSync(this.#directory)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }
}
