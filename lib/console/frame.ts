import { el, setText, verbatim, type Child } from './dom.js'
import { explain, isOfConnection } from './problem.js'

/** The frame of a page: its heading with buttons, a line for what is wrong, its content. */
export interface Frame {
  readonly node: HTMLElement
  /** Says why a part of the page cannot be shown; `undefined` when it can. */
  readonly fail: (error: unknown, subject?: string) => void
  readonly recover: () => void
}

/** Makes the frame of a page. `subject` names what a user may lack the right to. */
export function createFrame (
  title: string, subject: string, actions: readonly Child[], ...content: Child[]
): Frame {
  const problem = el('p', { class: 'problem', role: 'alert' })
  problem.hidden = true
  const body = el('div', { class: 'content' }, ...content)
  return {
    node: el('article', { class: 'page' },
      el('div', { class: 'head' }, el('h1', {}, title), el('div', { class: 'row' }, ...actions)),
      problem, body),
    fail: (error, what = subject) => {
      // The header tells that there is no connection, and the content of before stays.
      if (isOfConnection(error)) return
      problem.hidden = false
      setText(problem, explain(error, what))
    },
    recover: () => { problem.hidden = true }
  }
}

/** Makes a section with a heading. */
export function section (title: string, ...content: Child[]): HTMLElement {
  return el('section', { class: 'stack', 'aria-label': title }, el('h2', {}, title), ...content)
}

/** Makes a field to search by, with its label for readers. */
export function search (label: string, onInput: () => void, given = ''): HTMLInputElement {
  const input = el('input', { type: 'search', placeholder: label, 'aria-label': label, ...verbatim })
  input.value = given
  input.addEventListener('input', onInput)
  return input
}

/** Makes a choice between values. */
export function choice (
  label: string, values: ReadonlyArray<readonly [value: string, text: string]>, onChange: () => void
): HTMLSelectElement {
  const options = values.map(([value, text]) => el('option', { value }, text))
  const select = el('select', { 'aria-label': label }, ...options)
  select.addEventListener('change', onChange)
  return select
}

/** Shows JSON as it is. */
export function jsonBlock (value: unknown, label: string): HTMLElement {
  const text = JSON.stringify(value, undefined, 2) ?? ''
  return el('pre', { class: 'json', tabindex: 0, 'aria-label': label }, text)
}
