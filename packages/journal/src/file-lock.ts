import { createHash, randomBytes } from 'node:crypto'
import { closeSync, linkSync, lstatSync, openSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { withPath } from './system-error.js'

/** A lock that is held. */
export interface FileLock {
  /** Gives it back. Resolves when another process can have it. */
  release: () => Promise<void>
  /** Whether it still has its name: others may have removed it, and then another process can take it. */
  isHeld: () => boolean
}

/** Longest name of a socket, in bytes. */
const MAX_SOCKET_NAME = 100
/** Time in which another process gets over the moment of giving back or removing a lock. */
const STARTING_MS = 50
const CANNOT_BE_MADE = 'cannot be made: the directory must be on a local disk that has room and takes ' +
  'sockets and links, and belong to the user of this process'

/**
 * Takes the lock at `path`, against every process of this machine. It is a socket on which its owner
 * listens, so that nothing of it outlives the owner, however that ends. It is never waited for.
 * @param taken what the error says when another process has it
 * @throws when another process, or another owner in this one, has the lock
 */
export async function acquireLock (path: string, taken: string): Promise<FileLock> {
  if (process.platform === 'win32') return await listenOnPipe(path, taken)
  const directory = openDirectory(dirname(path))
  try {
    // It listens under a name of its own first: a lock that appears is alive from its first moment, and
    // never replaces another.
    const own = `${path}.${randomBytes(6).toString('hex')}`
    const server = await listen(shortName(own, directory)).catch((error: unknown) => {
      throw withPath(path, error, CANNOT_BE_MADE)
    }) as Server
    try {
      const inode = lstatSync(own).ino
      if (await claim(path, own, shortName(path, directory))) {
        return {
          release: async () => { await release(server, path, inode) },
          isHeld: () => lstatSync(path, { throwIfNoEntry: false })?.ino === inode
        }
      }
      throw new Error(`${path}: ${taken}`)
    } catch (error) {
      await close(server)
      throw error
    } finally {
      rmSync(own, { force: true })
    }
  } finally {
    closeSync(directory)
  }
}

/** Returns whether a living process, or another owner in this one, has the lock at `path`. */
export async function isLocked (path: string): Promise<boolean> {
  if (process.platform === 'win32') return await answers(pipeName(path))
  if (inodeOf(path) === undefined) return false
  const directory = openSync(dirname(path), 'r')
  try {
    return await isAlive(shortName(path, directory))
  } finally {
    closeSync(directory)
  }
}

function openDirectory (path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw withPath(path, error, isGone
      ? 'is not there: bring it back, or name another directory'
      : 'cannot be opened: it must be a directory of the user of this process')
  }
}

/** Gives the lock its name; false when a living owner has it. */
async function claim (path: string, own: string, short: string): Promise<boolean> {
  for (let attempt = 0; attempt < 3; attempt++) {
    if (link(own, path)) {
      if (attempt === 0) return true
      // Another process that has found the same dead lock may just be removing it, and puts back what is
      // alive.
      await sleep(STARTING_MS)
      return inodeOf(path) === inodeOf(own)
    }
    const inode = inodeOf(path)
    if (inode === undefined) continue
    if (await isAlive(short)) return false
    setAside(path, inode)
  }
  return false
}

function link (own: string, path: string): boolean {
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw withPath(path, error, CANNOT_BE_MADE)
  }
}

/** The inode of a lock; `undefined` when there is none. */
function inodeOf (path: string): number | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats !== undefined && !stats.isSocket()) {
    throw new Error(`${path} is in the way and no lock: move it away`)
  }
  return stats?.ino
}

async function release (server: Server, path: string, inode: number): Promise<void> {
  if (inodeOf(path) === inode) rmSync(path, { force: true })
  await close(server)
}

/** The socket's name, by way of the open directory where the path is too long for one. */
function shortName (path: string, directory: number): string {
  if (Buffer.byteLength(path) <= MAX_SOCKET_NAME) return path
  const short = join(`/proc/self/fd/${directory}`, basename(path))
  if (process.platform !== 'linux' || Buffer.byteLength(short) > MAX_SOCKET_NAME) {
    throw new Error(`${path}: the path is too long for a lock`)
  }
  return short
}

/** Listens there; `undefined` when the name is taken. */
async function listen (name: string): Promise<Server | undefined> {
  // Other processes connect only to know that there is an owner.
  const server = createServer(socket => { socket.destroy() })
  return await new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(name, () => {
      server.unref()
      resolve(server)
    })
  })
}

/** Returns whether a process listens there. One that has just begun gets the time to. */
async function isAlive (name: string): Promise<boolean> {
  for (let attempt = 0; attempt < 3; attempt++) {
    if (attempt > 0) await sleep(STARTING_MS)
    if (await answers(name)) return true
  }
  return false
}

async function answers (name: string): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = connect(name)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    // One that is too busy to answer is alive.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT')
    })
  })
}

/** Removes a dead lock. What has taken its place meanwhile is put back. */
function setAside (path: string, inode: number): void {
  const aside = `${path}.${randomBytes(6).toString('hex')}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if (lstatSync(aside).ino !== inode) link(aside, path)
  rmSync(aside)
}

async function listenOnPipe (path: string, taken: string): Promise<FileLock> {
  const server = await listen(pipeName(path))
  if (server === undefined) throw new Error(`${path}: ${taken}`)
  return { release: async () => { await close(server) }, isHeld: () => true }
}

function pipeName (path: string): string {
  const name = createHash('sha256').update(resolve(path).toLowerCase()).digest('hex')
  return `\\\\.\\pipe\\noex-audit-${name}`
}

async function close (server: Server): Promise<void> {
  await new Promise(resolve => { server.close(resolve) })
}
