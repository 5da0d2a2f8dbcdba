import { createHash, randomBytes } from 'node:crypto'
import { closeSync, openSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A lock that is held. */
export interface FileLock {
  /** Gives it back. Resolves when somebody else can have it. */
  release: () => Promise<void>
}

/** What the name of a socket can have, in bytes. */
const MAX_SOCKET_NAME = 100
/** Time between binding and listening of another process, more than twice over. */
const STARTING_MS = 50

/**
 * Takes the lock at `path`, against every process of this machine. It is a socket on which its owner listens, so
 * that nothing of it outlives the owner, however that ends. Rejects when somebody has the lock.
 */
export async function acquireLock (path: string): Promise<FileLock> {
  if (process.platform === 'win32') return await listenOnPipe(path)
  const directory = openSync(dirname(path), 'r')
  try {
    const short = shortName(path, directory)
    for (let attempt = 0; attempt < 3; attempt++) {
      const server = await listen(short)
      if (server !== undefined) return { release: async () => { await close(server) } }
      if (await isAlive(short)) break
      setAside(path)
    }
    throw new Error(`${path}: another process or sink writes this trail`)
  } finally {
    closeSync(directory)
  }
}

/** The socket's name, by way of the open directory where the path is too long for one. */
function shortName (path: string, directory: number): string {
  if (Buffer.byteLength(path) <= MAX_SOCKET_NAME) return path
  const short = join(`/proc/self/fd/${directory}`, basename(path))
  if (process.platform !== 'linux' || Buffer.byteLength(short) > MAX_SOCKET_NAME) throw new Error(`${path}: the path is too long for a lock`)
  return short
}

/** Listens there; `undefined` when the name is taken. */
async function listen (name: string): Promise<Server | undefined> {
  // Whoever connects only wants to know that somebody is there.
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

/** Whether somebody listens there. One who has just begun gets the time to. */
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
    // Whoever is too busy to answer is alive.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => { resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT') })
  })
}

/** Removes a lock whose owner has gone: by renaming first, so that of two who do so at once one takes nothing from the other. */
function setAside (path: string): void {
  const aside = `${path}.${randomBytes(6).toString('hex')}`
  try {
    renameSync(path, aside)
    rmSync(aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

async function listenOnPipe (path: string): Promise<FileLock> {
  const name = createHash('sha256').update(resolve(path).toLowerCase()).digest('hex')
  const server = await listen(`\\\\.\\pipe\\noex-audit-${name}`)
  if (server === undefined) throw new Error(`${path}: another process or sink writes this trail`)
  return { release: async () => { await close(server) } }
}

async function close (server: Server): Promise<void> {
  await new Promise(resolve => { server.close(resolve) })
}
