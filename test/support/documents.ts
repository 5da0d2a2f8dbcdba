import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import { projectFile } from './project-file.js'

const root = projectFile('')
let runs = 0

/** Returns the text of a document by its path below the root of the repository. */
export function readDocument (path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Returns the paths of all Markdown documents: of the root, of docs/, and of the folders with a README. */
export function documentPaths (): string[] {
  const filesOf = (folder: string, recursive = false): string[] => existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive, encoding: 'utf8' }).map(name => join(folder, name))
    : []
  const paths = [
    ...filesOf(''), ...filesOf('docs', true), ...filesOf('deploy'), ...filesOf('example-app'),
    ...filesOf('examples'),
    ...filesOf('packages').flatMap(folder => [...filesOf(folder), ...filesOf(`${folder}/docs`, true)])
  ]
  return paths.filter(path => path.endsWith('.md'))
}

/** Returns the lines of the table whose header begins with `header`. */
export function tableBelow (text: string, header: string): string {
  const table = text.slice(text.indexOf(header))
  const end = table.indexOf('\n\n')
  return end === -1 ? table : table.slice(0, end)
}

/** Returns the code below `<!-- sample: name -->` in a document. */
export function sample (path: string, name: string): string {
  const code = new RegExp(`<!-- sample: ${name} -->\n\`\`\`\\w*\n([^]*?)\`\`\``).exec(readDocument(path))?.[1]
  if (code === undefined) throw new Error(`${path} has no sample "${name}"`)
  return code
}

/**
 * Runs a sample as a module of this package, where `fastify-noex` means the sources, after `change`. Resolves
 * with its variables `names` and its exports; the file is removed with the test.
 */
export async function runSample (
  t: Test, path: string, name: string, names: string[], change: (code: string) => string = code => code
): Promise<Record<string, unknown>> {
  const folder = join(root, '.tap', 'samples')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${name}-${process.pid}-${++runs}.mjs`)
  writeFileSync(file, `${change(sample(path, name))}\nexport { ${names.join(', ')} }\n`)
  t.teardown(() => { rmSync(file) })
  return await import(pathToFileURL(file).href) as Record<string, unknown>
}

const AsyncFunction = (async () => {}).constructor as
  new (...parts: string[]) => (...values: unknown[]) => Promise<unknown>

/** Runs a sample that is the body of an async function, with the variables of `given`. */
export async function runBody (code: string, given: Readonly<Record<string, unknown>>): Promise<unknown> {
  return await new AsyncFunction(...Object.keys(given), code)(...Object.values(given))
}

/** Sets a variable of the environment until the test ends. */
export function setEnvironment (t: Test, name: string, value: string): void {
  process.env[name] = value
  t.teardown(() => { Reflect.deleteProperty(process.env, name) })
}

/** Makes a sample listen on any free port, without a log. */
export const anyPort = (code: string): string =>
  code.replace(/port: \d+/, 'port: 0').replace('logger: true', 'logger: false')
