// Figures of the code: `node scripts/measure-code.js [--list] [directory [directory]]`, each a checkout with
// its packages installed: this one by default; of two, what was before and what is after. `--list` names the
// places. `--check` prints retired words of code and pages, and doc comments that begin with "What", and
// fails when there are any.
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { circlesOfFiles, circlesOfFolders } from './measure/circles.js'
import { isKernel, isSource, isTest, readFiles } from './measure/files.js'
import { printTable } from './measure/table.js'
import { deadExports, repeatedPlaces } from './measure/tools.js'
import { isChecked, isCounted, retiredWordsIn } from './measure/words.js'

const MAX_COLUMNS = 110
const MAX_SOURCE_LINES = 250
const MAX_TEST_LINES = 400

const flags = process.argv.slice(2).filter(argument => argument.startsWith('--'))
const given = process.argv.slice(2).filter(argument => !argument.startsWith('--'))
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const directories = (given.length > 0 ? given : [root]).map(directory => resolve(directory))

/** Returns the places of each figure of a checkout, by the name of the figure. */
function measure (directory) {
  const files = readFiles(directory)
  const code = files.filter(({ path }) => !path.endsWith('.md') && !isKernel(path))
  const source = files.filter(({ path }) => isSource(path))
  const { circles, pairs } = circlesOfFolders(source)
  const dead = deadExports(directory)
  return {
    'circles of files': circlesOfFiles(code).map(circle => circle.join(', ')),
    'circles of folders': circles.map(circle => circle.join(', ')),
    'pairs of folders that import each other': pairs.map(pair => pair.join(' = ')),
    'retired words': files.filter(({ path }) => isCounted(path)).flatMap(retiredWordsIn),
    'doc comments that begin with "What"': code.flatMap(whatComments),
    [`lines over ${MAX_COLUMNS} columns`]: code.flatMap(longLines),
    [`source files over ${MAX_SOURCE_LINES} lines`]: longFiles(source, MAX_SOURCE_LINES),
    [`test files over ${MAX_TEST_LINES} lines`]: longFiles(
      code.filter(({ path }) => isTest(path)),
      MAX_TEST_LINES
    ),
    'dead exports': dead.values,
    'dead exports of types': dead.types,
    'repeated places of six lines or more': repeatedPlaces(directory)
  }
}

function whatComments ({ path, text }) {
  return [...text.matchAll(/\/\*\*[\s*]*What\b/g)]
    .map(({ index }) => `${path}:${text.slice(0, index).split('\n').length}: What`)
}

function longLines ({ path, text }) {
  return text.split('\n').flatMap((line, index) => line.length > MAX_COLUMNS ? [`${path}:${index + 1}`] : [])
}

function longFiles (files, max) {
  const lines = text => text.split('\n').length - 1
  return files.filter(({ text }) => lines(text) > max).map(({ path, text }) => `${path}: ${lines(text)}`)
}

if (flags.includes('--check')) {
  const files = readFiles(directories[0]).filter(({ path }) => isChecked(path))
  const places = [...files.flatMap(retiredWordsIn), ...files.flatMap(whatComments)]
  for (const place of places) console.error(place)
  if (places.length > 0) process.exitCode = 1
} else {
  const measures = directories.map(measure)
  const names = Object.keys(measures[0])
  printTable(
    ['figure', ...directories],
    names.map(name => [name, ...measures.map(places => places[name].length)])
  )
  if (flags.includes('--list')) {
    for (const [name, places] of Object.entries(measures.at(-1))) {
      console.log(`\n${name}\n  ${places.join('\n  ')}`)
    }
  }
}
