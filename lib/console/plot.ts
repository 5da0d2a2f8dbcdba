import type uPlotClass from 'uplot'
import { el, setText } from './dom.js'
import { NONE } from './format.js'

// Loaded by the page.
declare const uPlot: typeof uPlotClass | undefined

/** A line of a plot. */
interface Line {
  readonly label: string
  /** The name of a colour of the style sheet: `--<colour>`. */
  readonly colour: string
}

/** The options of a plot. */
interface PlotOptions {
  readonly title: string
  readonly lines: readonly Line[]
  /** Returns a value with its unit. */
  readonly text: (value: number) => string
}

/** A small plot of the last minutes, with the newest values above it as text. */
export interface Plot {
  readonly node: HTMLElement
  /** Adds values, one for each line, at a time in epoch milliseconds; `null` is a gap. */
  readonly add: (at: number, values: ReadonlyArray<number | null>) => void
  readonly close: () => void
}

/** The time that a plot shows, in seconds, and most points in it. */
const SPAN_S = 300
const MAX_POINTS = 300
const HEIGHT_PX = 96

/** Makes a plot. Its text says what it shows, so that it can be read without being seen. */
export function createPlot ({ title, lines, text }: PlotOptions): Plot {
  const data: Array<Array<number | null>> = [[], ...lines.map(() => [])]
  const values = lines.map(() => el('span', { class: 'value' }))
  const legend = el('div', { class: 'legend' }, ...lines.map(({ label, colour }, index) =>
    el('span', { class: `line ${colour}` }, lines.length > 1 ? `${label} ` : '', values[index])))
  const canvas = el('div', { class: 'canvas', 'aria-hidden': 'true' })
  const node = el('section', { class: 'plot card', 'aria-label': title }, el('h3', {}, title), legend, canvas)
  const scheme = matchMedia('(prefers-color-scheme: dark)')
  let drawn: uPlotClass | undefined

  const draw = (): void => {
    drawn?.destroy()
    drawn = undefined
    if (typeof uPlot === 'undefined' || canvas.clientWidth === 0 || data[0]?.length === 0) return
    const style = getComputedStyle(document.documentElement)
    const colourOf = (name: string): string => style.getPropertyValue(`--${name}`).trim()
    const axis = {
      stroke: colourOf('quiet'),
      grid: { stroke: colourOf('line'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui, sans-serif'
    }
    const Plotter = uPlot
    drawn = new Plotter({
      width: canvas.clientWidth,
      height: HEIGHT_PX,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: (_plot, min, max) => [Math.max(max - SPAN_S, Math.min(min, max - 60)), max] },
        y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.15 : 1] }
      },
      axes: [
        {
          ...axis,
          size: 22,
          space: 110,
          grid: { show: false },
          values: (_plot, splits) => splits.map(split => new Date(split * 1_000).toTimeString().slice(0, 8))
        },
        { ...axis, size: 58, space: 30, values: (_plot, splits) => splits.map(split => text(split)) }
      ],
      series: [{}, ...lines.map(({ label, colour }) => ({
        label, stroke: colourOf(colour), width: 1.5, points: { show: false }, spanGaps: false
      }))]
    }, data as unknown as uPlotClass.AlignedData, canvas)
  }

  const resize = new ResizeObserver(() => {
    if (drawn === undefined) draw()
    else if (canvas.clientWidth > 0) drawn.setSize({ width: canvas.clientWidth, height: HEIGHT_PX })
  })
  resize.observe(canvas)
  scheme.addEventListener('change', draw)
  return {
    node,
    add: (at, given) => {
      data[0]?.push(at / 1_000)
      given.forEach((value, index) => {
        data[index + 1]?.push(value)
        setText(values[index] as Node, value === null ? NONE : text(value))
      })
      for (const column of data) if (column.length > MAX_POINTS) column.shift()
      if (drawn === undefined) draw()
      else drawn.setData(data as unknown as uPlotClass.AlignedData)
    },
    close: () => {
      resize.disconnect()
      scheme.removeEventListener('change', draw)
      drawn?.destroy()
    }
  }
}
