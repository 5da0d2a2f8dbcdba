import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Returns the files of a checkout that git knows or would add, with their texts. */
export function readFiles (directory) {
  const output = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: directory,
    encoding: 'utf8',
    maxBuffer: 1e8
  })
  const paths = [...new Set(output.split('\0'))].filter(path => /\.([cm]?[jt]s|md)$/.test(path)).sort()
  return paths
    .filter(path => existsSync(join(directory, path)))
    .map(path => ({ path, text: readFileSync(join(directory, path), 'utf8') }))
}

/** The source of the package and of the packages that it bundles. */
export function isSource (path) {
  return /^(lib|routes|packages\/[^/]+\/src)\/.*\.ts$/.test(path)
}

export function isTest (path) {
  return /^(packages\/[^/]+\/)?test\/.*\.[jt]s$/.test(path) && !isKernel(path)
}

/** The stand-in for the kernel of the registry, which follows another house. */
export function isKernel (path) {
  return path.startsWith('test/registry-kernel/')
}
