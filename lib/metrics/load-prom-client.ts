import { NoexOptionsError } from '../util/option-schema.js'

/** The part of `prom-client` that is used. */
export type PromClient = Pick<typeof import('prom-client'), 'Counter' | 'Gauge' | 'Registry'>

/**
 * Loads `prom-client`, which is installed only where metrics are wanted.
 * @throws {NoexOptionsError} when it is missing or does not load
 */
export async function loadPromClient (): Promise<PromClient> {
  try {
    return (await import('prom-client')).default
  } catch (error) {
    throw new NoexOptionsError('routes.metrics', 'needs the package prom-client: npm install prom-client', {
      cause: error
    })
  }
}
