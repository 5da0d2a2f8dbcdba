import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Test } from 'tap'
import { programEnv, programFile } from './command-line.js'
import { temporaryDirectory } from './temporary-directory.js'

/** The end of commands, and their output. */
export interface ShellResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs commands of documents in one folder, where `npx fastify-noex` is the program of this build. */
export class Shell {
  /** The folder in which the commands run. */
  readonly folder: string
  readonly #environment: NodeJS.ProcessEnv

  constructor (t: Test) {
    this.folder = temporaryDirectory(t)
    const programs = join(temporaryDirectory(t), 'bin')
    mkdirSync(programs)
    const program = `shift\nexec "${process.execPath}" "${programFile}" "$@"`
    const npx = ['#!/bin/sh', '[ "$1" = fastify-noex ] || exit 127', program, ''].join('\n')
    writeFileSync(join(programs, 'npx'), npx, { mode: 0o755 })
    this.#environment = { ...programEnv, PATH: `${programs}${delimiter}${process.env['PATH'] ?? ''}` }
  }

  /** Runs commands up to the first that fails, with further variables. */
  async run (code: string, variables: Readonly<Record<string, string>> = {}): Promise<ShellResult> {
    const child = spawn('sh', ['-e', '-c', code], {
      cwd: this.folder, env: { ...this.#environment, ...variables }, stdio: ['ignore', 'pipe', 'pipe']
    })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => { stdout += String(chunk) })
    child.stderr.on('data', (chunk: Buffer) => { stderr += String(chunk) })
    return await new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', exitCode => { resolve({ code: exitCode, stdout, stderr }) })
    })
  }
}

/** Returns the values of commands that print one JSON value each, on one line. */
export function jsonLines (text: string): Array<Record<string, unknown>> {
  return text.split('\n').filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as Record<string, unknown>)
}
