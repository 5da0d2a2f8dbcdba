import { fileURLToPath } from 'node:url'

const root = new URL('./', import.meta.resolve('fastify-noex/package.json'))

/** Returns the absolute path of a file that is not compiled, by its name below the root of the repository. */
export function projectFile (name: string): string {
  return fileURLToPath(new URL(name, root))
}
