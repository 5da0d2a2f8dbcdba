import type { Test } from 'tap'
import type { NoexOptions } from '../../lib/index.js'
import { serve, type Served, type ServeSettings } from './service.js'

/** The answer to a request over HTTP. */
interface RpcAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: any
}

export interface ServedRpc extends Served {
  /** Sends a body, an object as JSON, by POST. */
  readonly post: (body: unknown, headers?: Record<string, string>) => Promise<RpcAnswer>
}

/** Serves as `serve` does, with requests over HTTP at `/rpc`. */
export async function serveRpc (
  t: Test, options: Omit<NoexOptions, 'store'> = {}, settings: ServeSettings = {}
): Promise<ServedRpc> {
  const served = await serve(t, { ...options, routes: { rpc: '/rpc', ...options.routes } }, settings)
  return { ...served, post: poster(`http://127.0.0.1:${served.port}${options.prefix ?? ''}/rpc`) }
}

/** Returns the function that posts to a URL. */
export function poster (url: string): ServedRpc['post'] {
  return async (body, headers = {}) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
    })
    const { status, headers: answered } = response
    const text = await response.text()
    return { status, headers: answered, body: text === '' ? undefined : JSON.parse(text) }
  }
}
