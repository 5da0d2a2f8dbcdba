import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { NoexServerError } from '../protocol/errors.js'
import { threadFile } from '@hamicek/noex-journal'
import type { KeyRequest } from './password-key.js'

/** Keys of one password, computed by one worker. */
export interface KeyJob {
  readonly password: string
  readonly requests: readonly KeyRequest[]
}

/** Computes keys; the part of `PasswordWorkers` that `Passwords` uses. */
export interface KeySource {
  derive: (job: KeyJob) => Promise<Uint8Array[]>
  close: () => Promise<void>
}

interface WaitingJob {
  readonly job: KeyJob
  readonly resolve: (keys: Uint8Array[]) => void
  readonly reject: (error: unknown) => void
}

/** Number of jobs that can wait for a worker; one more is refused. */
export const MAX_WAITING_JOBS = 64

/** Time after which a refused client can retry, in milliseconds: by then some jobs of the queue are done. */
const RETRY_AFTER_MS = 5_000

/**
 * Number of threads: one core remains for all other work. A worker takes 32 MiB while it computes, and more
 * for hashes of other settings.
 */
const DEFAULT_SIZE = Math.min(8, Math.max(1, availableParallelism() - 1))

/**
 * Runs the threads in which passwords are hashed: at most `size`, each started when it is first needed. They
 * keep the process alive only while they compute.
 */
export class PasswordWorkers implements KeySource {
  readonly #size: number
  readonly #file = threadFile('password-worker.js', import.meta.url)
  readonly #idle = new Set<Worker>()
  readonly #running = new Map<Worker, WaitingJob>()
  readonly #waiting: WaitingJob[] = []
  #closed = false

  /** @throws when no thread can be started */
  constructor (size = DEFAULT_SIZE) {
    this.#size = size
  }

  /**
   * Computes keys, in the order of the calls.
   * @throws `RATE_LIMITED` when `MAX_WAITING_JOBS` jobs wait; another error when the worker dies or `close`
   * is called
   */
  async derive (job: KeyJob): Promise<Uint8Array[]> {
    if (this.#closed) throw closed()
    if (this.#waiting.length >= MAX_WAITING_JOBS) {
      throw new NoexServerError('RATE_LIMITED', 'Too many passwords are being checked', {
        retryAfterMs: RETRY_AFTER_MS
      })
    }
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject })
      this.#assign()
    })
  }

  /** Ends the threads, each after its current key. Jobs without a result are rejected at once. */
  async close (): Promise<void> {
    this.#closed = true
    for (const { reject } of [...this.#running.values(), ...this.#waiting.splice(0)]) reject(closed())
    await Promise.all([...this.#running.keys(), ...this.#idle].map(async worker => await worker.terminate()))
  }

  /** Assigns waiting jobs to free workers. */
  #assign (): void {
    while (this.#idle.size > 0 || this.#running.size < this.#size) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      try {
        const [worker = this.#start()] = this.#idle
        this.#idle.delete(worker)
        this.#running.set(worker, next)
        worker.ref()
        worker.postMessage(next.job)
      } catch (error) {
        next.reject(error)
      }
    }
  }

  #start (): Worker {
    const worker = new Worker(this.#file, { name: 'noex-password' })
    let cause: unknown
    worker.on('message', (keys: Uint8Array[]) => {
      this.#running.get(worker)?.resolve(keys)
      this.#running.delete(worker)
      this.#idle.add(worker)
      worker.unref()
      this.#assign()
    })
    worker.on('error', error => { cause = error })
    worker.on('exit', () => {
      this.#running.get(worker)?.reject(new Error('the thread that hashes passwords has died', { cause }))
      this.#running.delete(worker)
      this.#idle.delete(worker)
      this.#assign()
    })
    return worker
  }
}

function closed (): Error {
  return new Error('the hashing of passwords has been closed')
}
