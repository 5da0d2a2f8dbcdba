import { BAD, OK, type CommandIo } from '../command.js'

/** A server that runs. */
export interface RunningServer {
  readonly log: Record<'info' | 'warn' | 'error', (first: object | string, message?: string) => void>
  /** Whether it drains, as an operator may have asked for over the wire. */
  readonly isDraining: () => boolean
  /** Drains and closes. Rejects where something could not be saved. */
  readonly stop: () => Promise<void>
}

/** Time between two looks whether a server drains, in milliseconds. */
const LOOK_MS = 200

/**
 * Starts a server, and stops it at SIGINT and SIGTERM, also at one that comes while it starts; a second one
 * ends the process at once. A drain over the wire is as a signal. SIGHUP is told in the log where it
 * `isHangUpIgnored`, otherwise it is as SIGTERM. Resolves with the exit code.
 * @throws what `start` rejects with
 */
export async function runUntilSignal (
  start: () => Promise<RunningServer>, io: CommandIo,
  { isHangUpIgnored }: { readonly isHangUpIgnored: boolean }
): Promise<number> {
  /** Lines that wait for the log. */
  const waiting: Array<[level: keyof RunningServer['log'], text: string]> = []
  let tell = (level: keyof RunningServer['log'], text: string): void => { waiting.push([level, text]) }
  let isStopping = false
  let stop = (): void => {}
  const stopping = new Promise<void>(resolve => {
    stop = resolve
    io.signal?.addEventListener('abort', () => { resolve() }, { once: true })
    io.onSignal?.(name => {
      if (name === 'SIGHUP' && isHangUpIgnored) {
        tell('warn', 'SIGHUP: nothing is read again; a new configuration needs a restart')
      } else if (isStopping) {
        tell('error', `${name} again: ending at once`)
        process.exit(BAD)
      } else {
        isStopping = true
        tell('info', `${name}: draining`)
        resolve()
      }
    })
  })
  const server = await start()
  tell = (level, text) => { server.log[level](text) }
  for (const line of waiting) tell(...line)
  const looking = setInterval(() => {
    if (isStopping || !server.isDraining()) return
    isStopping = true
    tell('info', 'draining, as an operator has asked')
    stop()
  }, LOOK_MS)
  await stopping
  clearInterval(looking)
  try {
    await server.stop()
  } catch (error) {
    server.log.error({ err: error }, 'not everything is saved')
    return BAD
  }
  server.log.info('stopped')
  return OK
}
