import { paint } from './print.js'
import { fit, isRecord, jsonText, lineOf, pad, widthOf } from './values.js'

/** The room that a table may take. */
export interface TableSpace {
  /** Columns of the terminal. */
  readonly width: number
  /** Rows at most; the last line then says how many more there are. @default all */
  readonly maxRows?: number
  readonly colour: boolean
}

/** Columns of a terminal that one value may take, and members of records that are looked for. */
const MAX_CELL = 40
const MAX_MEMBERS = 100

/** A column of the table. */
interface Column {
  readonly name: string | undefined
  readonly title: string
  readonly isRight: boolean
  readonly width: number
}

/**
 * Returns the lines of a table of a list for people, none of which is wider than the terminal. Records have a
 * column for each member, those of the store (`_version` …) at the end; columns that have no room are named
 * below.
 */
export function tableOf (list: readonly unknown[], space: TableSpace): string[] {
  const { width, maxRows = Infinity, colour } = space
  const rows = list.length > maxRows ? list.slice(0, maxRows) : list
  if (rows.length === 0) return [paint('no rows', 33, colour)]
  const cells = (name: string | undefined): string[] =>
    rows.map(row => lineOf(name === undefined ? row : (row as Record<string, unknown>)[name], MAX_CELL))
  const isTable = rows.every(isRecord)
  const names = isTable ? namesOf(rows) : [undefined]
  const columns: Array<[Column, string[]]> = []
  let left = width
  for (const name of names) {
    const texts = cells(name)
    const column = columnOf(name, rows, texts)
    // One column is there in any case.
    const room = columns.length === 0 ? left : left - 2
    if (column.width > room && columns.length > 0) break
    columns.push([{ ...column, width: Math.min(column.width, room) }, texts])
    left = room - column.width
  }
  const lineAt = (textOf: (column: Column, texts: string[]) => string): string =>
    columns.map(([column, texts]) =>
      pad(fit(textOf(column, texts), column.width), column.width, column.isRight)).join('  ').trimEnd()
  return [
    ...(isTable ? [bold(lineAt(({ title }) => title), colour)] : []),
    ...rows.map((_row, i) => lineAt((_column, texts) => texts[i] as string)),
    ...notes(list.length - rows.length, names.slice(columns.length) as string[], { width, colour })
  ]
}

/**
 * Returns the lines of any result for people: a table of a list, JSON of everything else, which is cut to the
 * width where there are `maxRows`.
 */
export function linesOf (value: unknown, space: TableSpace): string[] {
  if (Array.isArray(value)) return tableOf(value, space)
  if (typeof value === 'string') return [jsonText(value)]
  if (isRecord(value) && Array.isArray(value['records'])) {
    const { records, ...others } = value
    return [...tableOf(records as unknown[], space), fit(jsonText(others), space.width)]
  }
  const lines = jsonText(value, 2).split('\n')
  const { width, maxRows = Infinity, colour } = space
  if (lines.length <= maxRows) return lines.map(line => maxRows === Infinity ? line : fit(line, width))
  const more = lines.length - maxRows
  return [...lines.slice(0, maxRows).map(line => fit(line, width)), ...notes(more, [], { width, colour })]
}

/** Returns the names of members in their order; those of the store at the end. */
function namesOf (rows: ReadonlyArray<Readonly<Record<string, unknown>>>): string[] {
  const names = new Set<string>()
  for (const row of rows) {
    for (const name of Object.keys(row)) {
      if (names.size < MAX_MEMBERS) names.add(name)
    }
  }
  const isOwn = (name: string): boolean => !name.startsWith('_')
  const all = [...names]
  return [...all.filter(isOwn), ...all.filter(name => !isOwn(name))]
}

function columnOf (name: string | undefined, rows: readonly unknown[], texts: readonly string[]): Column {
  const title = name === undefined ? '' : lineOf(name, MAX_CELL)
  const isNumber = (row: unknown): boolean => {
    const value = name === undefined ? row : (row as Record<string, unknown>)[name]
    return typeof value === 'number' || value === undefined || value === null
  }
  const width = texts.reduce((max, text) => Math.max(max, widthOf(text)), Math.max(1, widthOf(title)))
  return { name, title, isRight: rows.every(isNumber), width }
}

function notes (more: number, hidden: readonly string[], { width, colour }: TableSpace): string[] {
  const lines = []
  if (more > 0) lines.push(`… and ${more} more`)
  if (hidden.length > 0) {
    const names = hidden.slice(0, 20).map(name => lineOf(name, 20)).join(', ')
    lines.push(`… and ${hidden.length} more columns: ${names}`)
  }
  return lines.map(line => paint(fit(line, width), 33, colour))
}

function bold (text: string, colour: boolean): string {
  return colour ? `\u001b[1m${text}\u001b[22m` : text
}
