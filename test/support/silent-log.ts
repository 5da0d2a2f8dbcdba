import type { Log } from '../../lib/util/log.js'

/** Discards every line. */
export const silentLog: Log = {
  trace () {},
  debug () {},
  info () {},
  warn () {},
  error () {},
  child: () => silentLog
}
