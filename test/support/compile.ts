import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { programEnv } from './command-line.js'
import { projectFile } from './project-file.js'
import { temporaryDirectory } from './temporary-directory.js'

/**
 * Compiles TypeScript modules, by name, under `strict`, as in a project for browsers: without the types of
 * Node, and with all declarations checked, unless `options` of the compiler say otherwise. Resolves with the
 * errors of the compiler.
 */
export async function compile (
  t: Test, modules: Readonly<Record<string, string>>, options: object = {}
): Promise<string[]> {
  const folder = temporaryDirectory(t)
  for (const [name, text] of Object.entries(modules)) writeFileSync(join(folder, `${name}.ts`), text)
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
      target: 'es2022',
      module: 'nodenext',
      types: [],
      paths: {
        'fastify-noex': [projectFile('dist/lib/index.d.ts')],
        'fastify-noex/client': [projectFile('dist/lib/client/index.d.ts')],
        'fastify-noex/store': [projectFile('dist/lib/exports/store.d.ts')]
      },
      ...options
    }
  }))
  const tsc = projectFile('node_modules/typescript-7/bin/tsc')
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], {
    env: programEnv
  }).catch((error: { stdout: string }) => error)
  return stdout.split('\n').filter(line => line.includes('error TS'))
}
