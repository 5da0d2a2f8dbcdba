/** A line of a plot. */
export interface Series {
  readonly name: string
  /** From left to right; both above 0. */
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
}

export interface Plot {
  readonly title: string
  /** The names of the axes. */
  readonly x: string
  readonly y: string
  readonly series: readonly Series[]
}

/** An axis of powers of ten, and where its ends are drawn. */
interface Axis {
  readonly powers: readonly number[]
  readonly place: (value: number) => number
}

const WIDTH = 960
const HEIGHT = 480
/** The square of the lines; the names of the lines are to the right of it. */
const LEFT = 80
const RIGHT = 600
const TOP = 56
const BOTTOM = 416
const NAMES_LEFT = 624
const NAMES_STEP = 28

/** Eight colours that can be told apart in either scheme, also by those who see fewer; then they repeat. */
const light = ['#0072b2', '#b34700', '#00785a', '#a8387f', '#5b4bb7', '#8a6d00', '#b3261e', '#4a5560']
const dark = ['#5ab4f0', '#ff9d5c', '#3fd1a6', '#f08cc8', '#b3a5ff', '#e3c34b', '#ff8a80', '#b4c0cc']
/** A line has a pattern, too. */
const dashes = ['', '8 3', '2 3', '10 3 2 3']

/**
 * Draws lines over axes with logarithmic scales as an SVG, which follows the scheme of colours of its reader.
 * @throws where there is no point, or one that such a scale does not have
 */
export function plotText ({ title, x, y, series }: Plot): string {
  const points = series.flatMap(line => line.points)
  const right = axis(points.map(point => point[0]), LEFT, RIGHT)
  const up = axis(points.map(point => point[1]), BOTTOM, TOP)
  const middle = (LEFT + RIGHT) / 2
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">`,
    `<title>${escaped(title)}</title>`,
    styleText(series.length),
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="${LEFT}" y="32">${escaped(title)}</text>`,
    ...right.powers.flatMap(power => {
      const at = coordinate(right.place(power))
      return [
        `<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${BOTTOM}"/>`,
        `<text x="${at}" y="${BOTTOM + 20}" text-anchor="middle">${power.toLocaleString('en')}</text>`
      ]
    }),
    ...up.powers.flatMap(power => {
      const at = coordinate(up.place(power))
      return [
        `<line class="grid" x1="${LEFT}" x2="${RIGHT}" y1="${at}" y2="${at}"/>`,
        `<text x="${LEFT - 8}" y="${at}" dy="4" text-anchor="end">${power.toLocaleString('en')}</text>`
      ]
    }),
    `<text x="${middle}" y="${BOTTOM + 44}" text-anchor="middle">${escaped(x)}</text>`,
    `<text x="${LEFT}" y="${TOP - 16}" text-anchor="end">${escaped(y)}</text>`,
    ...series.flatMap((line, i) => lineText(line, i, right, up)),
    '</svg>'
  ]
  return `${lines.join('\n')}\n`
}

/** Draws one line with its points and its name. */
function lineText ({ name, points }: Series, index: number, right: Axis, up: Axis): string[] {
  const places = points.map(([x, y]) => [coordinate(right.place(x)), coordinate(up.place(y))] as const)
  const nameAt = TOP + 8 + index * NAMES_STEP
  return [
    `<g class="line-${index}">`,
    `<polyline points="${places.map(place => place.join(',')).join(' ')}"/>`,
    ...places.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="4"/>`),
    `<line x1="${NAMES_LEFT}" x2="${NAMES_LEFT + 32}" y1="${nameAt}" y2="${nameAt}"/>`,
    `<text x="${NAMES_LEFT + 40}" y="${nameAt}" dy="4">${escaped(name)}</text>`,
    '</g>'
  ]
}

function styleText (lines: number): string {
  const colours = (palette: readonly string[]): string[] => Array.from({ length: lines }, (_, i) =>
    `.line-${i}{--colour:${palette[i % palette.length]}}`)
  return [
    '<style>',
    ':root{--page:#ffffff;--ink:#1f2328;--grid:#d8dee4}',
    ...colours(light),
    '@media (prefers-color-scheme:dark){',
    ':root{--page:#0d1117;--ink:#e6edf3;--grid:#30363d}',
    ...colours(dark),
    '}',
    '.page{fill:var(--page)}',
    'text{fill:var(--ink);font:13px system-ui,sans-serif}',
    '.title{font-size:16px;font-weight:600}',
    '.grid{stroke:var(--grid);stroke-width:1}',
    'g line,polyline{fill:none;stroke:var(--colour);stroke-width:2}',
    'circle{fill:var(--colour)}',
    ...Array.from({ length: lines }, (_, i) => [i, dashes[i % dashes.length] ?? ''] as const)
      .filter(([, dash]) => dash !== '')
      .map(([i, dash]) => `.line-${i} line,.line-${i} polyline{stroke-dasharray:${dash}}`),
    '</style>'
  ].join('\n')
}

/** Makes an axis from the power of ten at or below the values to the one at or above them. */
function axis (values: readonly number[], from: number, to: number): Axis {
  const wrong = values.find(value => !(value > 0 && value < Infinity))
  if (values.length === 0 || wrong !== undefined) {
    throw new Error(`a logarithmic scale needs values above 0, and got ${wrong ?? 'none'}`)
  }
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
  return {
    powers: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
    place: value => from + (Math.log10(value) - low) / (high - low) * (to - from)
  }
}

function coordinate (place: number): string {
  return String(Math.round(place * 10) / 10)
}

function escaped (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
