/** A child of an element: a node, or a text, which stays one; `undefined`, `null` and `false` are none. */
export type Child = Node | string | number | undefined | null | false

/** Attributes by name, and listeners by `on…`; `undefined` and `false` leave an attribute away. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined | Listener>>

type Listener = (event: any) => void

/** Attributes of a field whose text is taken as it is typed. */
export const verbatim = { spellcheck: 'false', autocapitalize: 'none' } as const

/** Names of attributes that would make code, markup or styles of a text. */
const dangerous = /^(on|style$|src|srcdoc$|href$)/i

/**
 * Makes an element. Texts become text nodes and values of attributes: nothing that a client chose is ever
 * parsed.
 * @throws `TypeError` for an attribute that could run code; links are made by `link`.
 */
export function el<Tag extends keyof HTMLElementTagNameMap> (
  tag: Tag, attributes: Attributes = {}, ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.replace(/^on/, ''), value)
    else setAttribute(element, name, value)
  }
  element.append(...nodesOf(children))
  return element
}

/** Sets an attribute, or takes it away; does nothing where it is so already. */
export function setAttribute (
  element: Element, name: string, value: string | number | boolean | undefined
): void {
  if (dangerous.test(name)) throw new TypeError(`el: ${name} is no attribute for a text`)
  if (value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name)
    return
  }
  const text = value === true ? '' : String(value)
  if (element.getAttribute(name) !== text) element.setAttribute(name, text)
}

/** Makes a link to a page of the console: the parts of its place, escaped. */
export function link (
  place: readonly string[], attributes: Attributes, ...children: Child[]
): HTMLAnchorElement {
  const anchor = el('a', attributes, ...children)
  anchor.setAttribute('href', hashOf(place))
  return anchor
}

/** Returns the address of a page of the console, within this one. */
export function hashOf (place: readonly string[]): string {
  return `#/${place.map(encodeURIComponent).join('/')}`
}

/** Sets a text; does nothing where it is so already, so that a selection stays. */
export function setText (node: Node, text: string | number): void {
  if (node.textContent !== String(text)) node.textContent = String(text)
}

/** Puts children into an element in the place of those that it has. */
export function fill (element: Element, ...children: Child[]): void {
  element.replaceChildren(...nodesOf(children))
}

/** Makes a button. `onclick` may return a promise: the button is disabled until it settles. */
export function button (
  label: string, onclick: () => unknown, attributes: Attributes = {}
): HTMLButtonElement {
  const made = el('button', { type: 'button', ...attributes }, label)
  made.addEventListener('click', () => {
    const result = onclick()
    if (!(result instanceof Promise)) return
    made.setAttribute('aria-busy', 'true')
    made.disabled = true
    result.finally(() => {
      made.disabled = false
      made.removeAttribute('aria-busy')
    })
  })
  return made
}

let fields = 0

/** Makes a labelled field of a form around a control. */
export function field (label: string, control: HTMLElement, hint?: string): HTMLElement {
  const id = control.id === '' ? `field-${++fields}` : control.id
  control.id = id
  const help = hint === undefined ? undefined : el('small', { id: `${id}-hint` }, hint)
  if (help !== undefined) control.setAttribute('aria-describedby', help.id)
  return el('div', { class: 'field' }, el('label', { for: id }, label), control, help)
}

function nodesOf (children: readonly Child[]): Array<Node | string> {
  return children.filter(child => child !== undefined && child !== null && child !== false)
    .map(child => child instanceof Node ? child : String(child))
}
