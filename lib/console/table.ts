import { el, fill, setAttribute, setText } from './dom.js'
import { number } from './format.js'

/** A column of a table. */
export interface Column<Row> {
  readonly label: string
  readonly text: (row: Row) => string
  /** Returns what rows are ordered by; without it they are not ordered by this column. */
  readonly order?: (row: Row) => number | string
  /** Numbers stand on the right, and are ordered from the largest. */
  readonly isNumber?: boolean
  /** Left away where there is little room. */
  readonly isMinor?: boolean
  readonly width?: string
  /** A word for the state of the cell, for its colour. */
  readonly tone?: (row: Row) => string | undefined
}

/** The options of a table. */
interface TableOptions<Row> {
  readonly label: string
  readonly columns: ReadonlyArray<Column<Row>>
  readonly keyOf: (row: Row) => string
  /** Opens a row: its first cell is a button then. */
  readonly onOpen?: (row: Row) => void
  readonly empty: string
  /** The number of the column that rows are ordered by at first; without it they stay as they are. */
  readonly orderBy?: number
}

/** A list with as many rows as there are, of which those that are seen are in the document. */
export interface Table<Row> {
  readonly node: HTMLElement
  /** Shows these rows; a row that stays keeps its element, and the focus. */
  readonly show: (rows: readonly Row[], empty?: string) => void
}

/** Height of a row, in pixels: all have the same, so that their places can be computed. */
const ROW_PX = 36
/** Rows above and below those that are seen. */
const MARGIN = 8

/** Makes a table. */
export function createTable<Row> (options: TableOptions<Row>): Table<Row> {
  const { label, columns, keyOf, onOpen, orderBy } = options
  let order = orderBy
  let isReversed = false
  let given: readonly Row[] = []
  let rows: readonly Row[] = []
  const shown = new Map<string, RowElement<Row>>()
  const [before, after] = [spacer(), spacer()]
  const body = el('tbody', {}, before, after)
  const heads = columns.map((column, index) => headOf(column, () => {
    isReversed = order === index && !isReversed
    order = index
    arrange()
  }))
  const table = el('table', { 'aria-label': label }, el('thead', {}, el('tr', {}, ...heads)), body)
  const empty = el('p', { class: 'empty' })
  const count = el('p', { class: 'count', role: 'status' })
  const scroller = el('div', {
    class: 'scroller', tabindex: 0, role: 'region', 'aria-label': label
  }, table, empty)
  scroller.addEventListener('scroll', () => { draw() }, { passive: true })
  scroller.addEventListener('keydown', event => { moveFocus(event, scroller) })
  new ResizeObserver(() => { draw() }).observe(scroller)

  const arrange = (): void => {
    const column = order === undefined ? undefined : columns[order]
    rows = column?.order === undefined ? given : sorted(given, column, isReversed)
    heads.forEach((head, index) => {
      const isDescending = columns[index]?.isNumber === true ? !isReversed : isReversed
      setAttribute(head, 'aria-sort', index === order ? isDescending ? 'descending' : 'ascending' : undefined)
    })
    draw()
  }

  const draw = (): void => {
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW_PX) - MARGIN)
    const last = Math.min(rows.length, first + Math.ceil(scroller.clientHeight / ROW_PX) + 2 * MARGIN)
    const kept = new Set<string>()
    let next: Element | null = before.nextElementSibling
    for (let index = first; index < last; index++) {
      const row = rows[index] as Row
      const key = keyOf(row)
      kept.add(key)
      let made = shown.get(key)
      if (made === undefined) {
        made = rowElement(columns, row, onOpen)
        shown.set(key, made)
      }
      made.update(row)
      setAttribute(made.node, 'aria-rowindex', index + 2)
      if (made.node === next) next = next.nextElementSibling
      else body.insertBefore(made.node, next ?? after)
    }
    for (const [key, { node }] of shown) {
      if (kept.has(key)) continue
      // The focus would be lost with its row, and with it the place of who works by keyboard.
      if (node.contains(document.activeElement)) scroller.focus({ preventScroll: true })
      node.remove()
      shown.delete(key)
    }
    before.style.height = `${first * ROW_PX}px`
    after.style.height = `${(rows.length - last) * ROW_PX}px`
  }

  return {
    node: el('div', { class: 'table' }, scroller, count),
    show: (all, text = options.empty) => {
      given = all
      setText(empty, text)
      empty.hidden = all.length > 0
      table.hidden = all.length === 0
      setText(count, all.length === 0 ? '' : `${number(all.length)} ${all.length === 1 ? 'row' : 'rows'}`)
      setAttribute(table, 'aria-rowcount', all.length + 1)
      arrange()
    }
  }
}

interface RowElement<Row> {
  readonly node: HTMLElement
  readonly update: (row: Row) => void
}

function rowElement<Row> (
  columns: ReadonlyArray<Column<Row>>, given: Row, onOpen: ((row: Row) => void) | undefined
): RowElement<Row> {
  let current = given
  const texts = columns.map((_column, index) => index === 0 && onOpen !== undefined
    ? el('button', { type: 'button', class: 'open', onclick: () => { onOpen(current) } })
    : undefined)
  const cells = columns.map((column, index) => el('td', { class: classOf(column) }, texts[index]))
  const node = el('tr', {}, ...cells)
  if (onOpen !== undefined) {
    node.addEventListener('click', event => {
      // Who selects a text to copy it does not want to open the row.
      const isSelecting = getSelection()?.isCollapsed === false
      if (!(event.target instanceof HTMLButtonElement) && !isSelecting) onOpen(current)
    })
    node.classList.add('opens')
  }
  return {
    node,
    update: row => {
      current = row
      columns.forEach((column, index) => {
        const cell = cells[index] as HTMLElement
        const text = column.text(row)
        setText(texts[index] ?? cell, text)
        setAttribute(cell, 'title', text.length > 12 ? text : undefined)
        setAttribute(cell, 'data-tone', column.tone?.(row))
      })
    }
  }
}

function headOf<Row> (column: Column<Row>, onOrder: () => void): HTMLElement {
  const { label, order, width, isNumber } = column
  const head = el('th', { scope: 'col', class: classOf(column) },
    order === undefined ? label : el('button', { type: 'button', onclick: onOrder }, label))
  const wanted = width ?? (isNumber === true ? '6rem' : undefined)
  // In a narrow window no column takes all.
  if (wanted !== undefined) head.style.width = `min(${wanted}, 26vw)`
  return head
}

function classOf<Row> ({ isNumber, isMinor }: Column<Row>): string | undefined {
  return [isNumber === true && 'number', isMinor === true && 'minor'].filter(Boolean).join(' ') || undefined
}

function spacer (): HTMLElement {
  return el('tr', { 'aria-hidden': 'true', class: 'spacer' }, el('td'))
}

function sorted<Row> (
  rows: readonly Row[], { order, isNumber }: Column<Row>, isReversed: boolean
): readonly Row[] {
  if (order === undefined) return rows
  const factor = (isNumber === true ? -1 : 1) * (isReversed ? -1 : 1)
  return rows.map(row => ({ row, by: order(row) })).sort(({ by: a }, { by: b }) =>
    factor * (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b))))
    .map(({ row }) => row)
}

/** Moves the focus between the buttons of rows by the arrow keys. */
function moveFocus (event: KeyboardEvent, scroller: HTMLElement): void {
  const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
  const buttons = [...scroller.querySelectorAll<HTMLElement>('tbody button')]
  const at = buttons.indexOf(document.activeElement as HTMLElement)
  const next = at === -1 ? undefined : buttons[at + step]
  if (step === 0 || next === undefined) return
  event.preventDefault()
  next.focus()
  next.scrollIntoView({ block: 'nearest' })
}

/** Makes a list of names and values. */
export function facts (
  label: string
): { readonly node: HTMLElement, readonly show: (values: Record<string, string>) => void } {
  const node = el('dl', { class: 'facts', 'aria-label': label })
  const shown = new Map<string, HTMLElement>()
  return {
    node,
    show: values => {
      const names = Object.keys(values)
      if (names.length !== shown.size || names.some(name => !shown.has(name))) {
        shown.clear()
        for (const name of names) shown.set(name, el('dd'))
        fill(node, ...names.map(name => el('div', {}, el('dt', {}, name), shown.get(name))))
      }
      for (const [name, value] of Object.entries(values)) setText(shown.get(name) as HTMLElement, value)
    }
  }
}
