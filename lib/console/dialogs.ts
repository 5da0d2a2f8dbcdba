import { el, field, setText, verbatim, type Child } from './dom.js'
import { explain } from './problem.js'

/** A dialog to be answered. */
interface Question {
  readonly title: string
  readonly content: readonly Child[]
  /** The label of the button that does it. */
  readonly action: string
  /** Whether what it does cannot be taken back. */
  readonly isDangerous?: boolean
  /** Does it; the dialog stays open, with the reason and all that was typed, when it fails. */
  readonly onAction: () => Promise<unknown>
  /** Whether the dialog stays open when it is done. */
  readonly staysOpen?: boolean
  /** Further buttons, on the left. */
  readonly others?: readonly HTMLElement[]
  readonly isWide?: boolean
}

let titles = 0

/** Opens a modal dialog. The focus returns to where it was when it closes. Returns what closes it. */
export function ask (question: Question): () => void {
  const { title, content, action, onAction, others = [] } = question
  const { isDangerous = false, isWide = false, staysOpen = false } = question
  const before = document.activeElement
  const message = el('p', { class: 'problem', role: 'alert' })
  message.hidden = true
  const submit = el('button', { type: 'submit', class: isDangerous ? 'danger' : 'primary' }, action)
  const cancel = el('button', { type: 'button' }, 'Cancel')
  const heading = el('h2', { id: `dialog-${++titles}` }, title)
  const close = (): void => { dialog.close() }
  const form = el('form', {
    class: 'stack',
    onsubmit (event: SubmitEvent) {
      event.preventDefault()
      submit.disabled = true
      message.hidden = true
      onAction().then(() => { if (!staysOpen) close() }, (error: unknown) => {
        message.hidden = false
        setText(message, explain(error))
      }).finally(() => { submit.disabled = false })
    }
  }, heading, ...content, message,
  el('div', { class: 'row end' }, ...others, el('span', { class: 'spring' }), cancel, submit))
  const dialog = el('dialog', { 'aria-labelledby': heading.id, class: isWide ? 'wide' : undefined }, form)
  cancel.addEventListener('click', close)
  dialog.addEventListener('close', () => {
    dialog.remove()
    if (before instanceof HTMLElement && before.isConnected) before.focus()
  })
  document.body.append(dialog)
  dialog.showModal()
  const first = form.querySelector<HTMLElement>('input, textarea, select')
  if (first === null || isDangerous) cancel.focus()
  else first.focus()
  return close
}

/** Asks whether to do what cannot be taken back. */
export function confirm (
  title: string, text: string, action: string, onAction: () => Promise<void>, ...content: Child[]
): void {
  ask({ title, content: [el('p', {}, text), ...content], action, isDangerous: true, onAction })
}

/** Makes a field for JSON. `read` throws an error that says what is wrong where it is none. */
export function jsonField (label: string, given: unknown, hint?: string): {
  readonly node: HTMLElement
  readonly input: HTMLTextAreaElement
  readonly read: () => any
} {
  const input = el('textarea', { rows: 12, class: 'code', ...verbatim })
  input.value = given === undefined ? '' : JSON.stringify(given, undefined, 2)
  return { node: field(label, input, hint), input, read: () => readJson(input.value, label) }
}

/** Parses JSON of the user. @throws `SyntaxError` that names the field. */
export function readJson (text: string, label: string): any {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new SyntaxError(`${label} is no JSON: ${(error as Error).message}`)
  }
}
