// Counts how far one has to go to follow a request: which files its functions are in, and how often a
// function of one file calls one of another. `node scripts/trace-requests.js [--steps] [directory
// [directory]]`, each a built checkout: this one by default; of two, what was before and what is after.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { printTable } from './measure/table.js'

const scripts = dirname(fileURLToPath(import.meta.url))
const hasSteps = process.argv.includes('--steps')
const given = process.argv.slice(2).filter(argument => argument !== '--steps')
const directories = (given.length > 0 ? given : [dirname(scripts)]).map(directory => resolve(directory))

/** Returns the trips of a checkout by name, of which all rounds must have been the same. */
async function trace (directory) {
  const child = fork(join(scripts, 'trace/drive.js'), [directory], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  let trips
  child.once('message', message => { trips = message })
  const [code] = await once(child, 'exit')
  if (code !== 0 || trips === undefined) throw new Error(`the trace of ${directory} has failed`)
  return Object.fromEntries(Object.entries(trips).map(([name, rounds]) => [name, steady(name, rounds)]))
}

function steady (name, rounds) {
  const [first] = rounds
  if (rounds.some(round => round.steps.join() !== first.steps.join())) {
    const figures = rounds.map(({ files, moves }) => `${files}/${moves}`)
    throw new Error(`the rounds of ${name} differ (files/moves): ${figures.join(', ')}`)
  }
  return first
}

const traces = []
for (const directory of directories) traces.push(await trace(directory))

const rows = Object.keys(traces[0]).flatMap(name => ['files', 'moves', 'returns'].map(figure => [
  figure === 'files' ? name : '', figure, ...traces.map(trips => trips[name][figure])
]))
printTable(['trip', 'figure', ...directories], rows)
if (hasSteps) {
  for (const [name, { steps }] of Object.entries(traces.at(-1))) console.log(`\n${name}\n${steps.join('\n')}`)
}
