import { readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import type { Test } from 'tap'
import type { createClient } from '../../lib/client/index.js'
import { projectFile } from './project-file.js'
import { temporaryDirectory } from './temporary-directory.js'

/** A client of a bundle in chunks, one of which is not there. */
interface IncompleteClient {
  readonly createClient: typeof createClient
}

/**
 * Bundles the client, and removes the chunk of a module: as after a deployment, when the chunks of an open
 * page have other names. `change` does something else to the file. Resolves with the exports of the bundle.
 */
export async function clientWithout (
  t: Test, module: string, change: (path: string) => void = unlinkSync
): Promise<IncompleteClient> {
  const outdir = temporaryDirectory(t)
  await build({
    stdin: {
      contents: 'export { createClient } from "./index.js"', resolveDir: projectFile('dist/lib/client')
    },
    bundle: true,
    splitting: true,
    format: 'esm',
    outdir,
    outExtension: { '.js': '.mjs' },
    logLevel: 'silent'
  })
  const chunk = readdirSync(outdir).find(name => name.startsWith(`${module}-`))
  if (chunk === undefined) throw new Error(`${module} is no chunk of its own`)
  change(join(outdir, chunk))
  return await import(pathToFileURL(join(outdir, 'stdin.mjs')).href) as IncompleteClient
}
