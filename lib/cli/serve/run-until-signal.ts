import { BAD, OK, type CommandIo } from '../command.js'

/** A server that runs. */
export interface RunningServer {
  readonly log: Record<'info' | 'warn' | 'error', (first: object | string, message?: string) => void>
  /** Drains and closes. Rejects where something could not be saved. */
  readonly stop: () => Promise<void>
}

/**
 * Starts a server, and stops it at SIGINT and SIGTERM, also at one that comes while it starts; a second one
 * ends the process at once. SIGHUP is told in the log where it `isHangUpIgnored`, otherwise it is as SIGTERM.
 * Resolves with the exit code. @throws what `start` rejects with
 */
export async function runUntilSignal (
  start: () => Promise<RunningServer>, io: CommandIo,
  { isHangUpIgnored }: { readonly isHangUpIgnored: boolean }
): Promise<number> {
  /** Lines that wait for the log. */
  const waiting: Array<[level: keyof RunningServer['log'], text: string]> = []
  let tell = (level: keyof RunningServer['log'], text: string): void => { waiting.push([level, text]) }
  let isStopping = false
  const stopping = new Promise<void>(resolve => {
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
  await stopping
  try {
    await server.stop()
  } catch (error) {
    server.log.error({ err: error }, 'not everything is saved')
    return BAD
  }
  server.log.info('stopped')
  return OK
}
