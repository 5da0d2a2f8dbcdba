import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * Returns the address of the file that a thread runs, which the package has beside the module that starts
 * the thread. To be called while the service boots, so that it does not serve what it cannot do.
 * @param name the file's name
 * @param moduleUrl `import.meta.url` of the module; a bundler that writes CommonJS leaves `undefined` of it
 * @throws when the file is not there, as in a bundle, or when Node's permission model allows no thread
 */
export function threadFile (name: string, moduleUrl: string | undefined): URL {
  if (process.permission?.has('worker') === false) {
    throw new Error(`fastify-noex runs ${name} in a thread, which this process may not start: ` +
      'add --allow-worker')
  }
  // A module that was loaded from elsewhere than a file, from an executable for instance, has no files
  // beside it.
  const url = moduleUrl?.startsWith('file:') === true ? new URL(name, moduleUrl) : undefined
  if (url !== undefined && existsSync(fileURLToPath(url))) return url
  const place = url === undefined ? '' : `, at ${url.href}`
  throw new Error(`fastify-noex cannot find ${name}, which it runs in a thread${place}. ` +
    'When the service is bundled, leave fastify-noex out of the bundle (esbuild --external:fastify-noex, ' +
    'externals in webpack, external in Rollup) and install it where the bundle runs')
}
