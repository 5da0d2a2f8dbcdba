// Holds the line coverage of the product's sources: tap has no threshold, and it leaves out files that no
// test has loaded.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const MINIMUM_PERCENT = 95
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const packages = readdirSync(join(root, 'packages')).map(name => join('packages', name, 'src'))

/** Files that hold nothing but types: there is no line to run. */
const isTypesOnly = file =>
  !/^(export )?(default |async )*(const|let|function|class|enum)\b|^export (\*|\{(?! type))/m.test(
    readFileSync(join(root, file), 'utf8')
  )

const sources = ['lib', 'routes', ...packages].flatMap(folder =>
  readdirSync(join(root, folder), { recursive: true })
    // The console runs in browsers, which test/browser drives.
    .filter(name => name.endsWith('.ts') && !name.startsWith('console/'))
    .map(name => join(folder, name)))

const summary = JSON.parse(readFileSync(join(root, '.tap/report/coverage-summary.json'), 'utf8'))
const measured = new Map(Object.entries(summary).map(([file, { lines }]) => [relative(root, file), lines]))

const missing = sources.filter(file => !measured.has(file) && !isTypesOnly(file))
let covered = 0
let total = 0
for (const file of sources) {
  covered += measured.get(file)?.covered ?? 0
  total += measured.get(file)?.total ?? 0
}
const percent = total === 0 ? 0 : 100 * covered / total

console.log(
  `line coverage of lib, routes and packages: ${percent.toFixed(2)} % of ${total} lines ` +
    `(at least ${MINIMUM_PERCENT} %)`
)
if (missing.length > 0) console.error(`no test loads ${missing.join(', ')}`)
process.exitCode = percent >= MINIMUM_PERCENT && missing.length === 0 ? 0 : 1
