import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { register } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Window, type HTMLElement } from 'happy-dom'
import type { Test } from 'tap'
import { projectFile } from './project-file.js'

/**
 * Makes modules that are imported from now on get React from the tools, where tap has one of its own, and the
 * builds for browsers of Solid and Svelte. For dynamic imports: static ones have been resolved already.
 */
export function useFrameworks (): void {
  const parentURL = pathToFileURL(projectFile('tools/package.json')).href
  const hook = `
    export const resolve = (specifier, context, next) =>
      /^react(-dom)?($|\\/)/.test(specifier) ? next(specifier, { ...context, parentURL: '${parentURL}' })
      : /^(solid-js|svelte|esm-env)($|\\/)/.test(specifier)
        ? next(specifier, { ...context, conditions: ['browser', 'development', ...context.conditions] })
        : next(specifier, context)`
  register(`data:text/javascript,${encodeURIComponent(hook)}`)
}

const names = [
  'document', 'Node', 'Element', 'HTMLElement', 'SVGElement', 'MathMLElement', 'HTMLIFrameElement',
  'HTMLMediaElement', 'Text', 'Comment', 'Event', 'CustomEvent', 'MutationObserver', 'requestAnimationFrame'
] as const

/** Gives this process the globals of a browser with an empty page. Returns an element to render into. */
export function openPage (): HTMLElement {
  const window = new Window({ url: 'http://localhost/' })
  const globals = Object.fromEntries(names.map(name => [name, (window as any)[name]]))
  Object.assign(globalThis, globals, { window, IS_REACT_ACT_ENVIRONMENT: true })
  // Node has one since version 21, which cannot be assigned.
  if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: window.navigator })
  const element = window.document.createElement('main')
  window.document.body.append(element)
  return element
}

let modules = 0

/** Imports code as a module of this repository; the file is removed with the test. */
export async function importCode (t: Test, code: string): Promise<Record<string, any>> {
  const folder = projectFile('.tap/samples')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `code-${process.pid}-${++modules}.mjs`)
  writeFileSync(file, code)
  t.teardown(() => { rmSync(file) })
  return await import(pathToFileURL(file).href)
}
