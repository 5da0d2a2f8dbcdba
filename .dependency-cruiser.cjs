/**
 * The floors, from the top: each imports itself and those below. A name is a folder of `lib`, a pattern a set
 * of files; those of one row do not import each other.
 */
const floors = [
  ['cli'],
  ['^lib/(index|plugin|server)\\.ts$'],
  ['^routes/'],
  ['exports'],
  ['^lib/types\\.ts$'],
  ['service'],
  ['deployment'],
  ['options'],
  ['lifecycle'],
  ['connection'],
  ['procedures'],
  ['operations'],
  ['identity', 'metrics'],
  ['subscriptions'],
  ['audit'],
  ['auth'],
  ['permissions'],
  ['handshake'],
  ['idempotency'],
  ['cluster'],
  ['store'],
  ['limits'],
  ['rules'],
  ['postgres'],
  ['application'],
  ['^lib/client/adapters/'],
  ['^lib/client/(?!adapters/)'],
  ['protocol'],
  ['util']
].map(toRooms)

/** Beside the floors: what runs elsewhere. Only the command line imports the client. */
const beside = toRooms(['client', 'console'])

/** Returns the rooms of a floor, each with its name and the pattern of its files. */
function toRooms (row) {
  return row.map(room => ({
    name: room.replaceAll(/\W+/g, '-').replaceAll(/^-|-$/g, ''),
    path: room.startsWith('^') ? room : `^lib/${room}/`
  }))
}

/** The floors of the rule engine, from the top; the files that lie flat are its types. */
const ruleFloors = [
  ['^packages/noex-rules/src/index\\.ts$'],
  ['^packages/noex-rules/src/rule-engine\\.ts$'],
  ...['engine', 'temporal', 'state', 'compiler', 'validation', 'expressions', 'patterns'].map(folder =>
    [`^packages/noex-rules/src/${folder}/`]),
  ['^packages/noex-rules/src/(?!index|rule-engine)[^/]+\\.ts$'],
  ['^packages/noex-rules/src/util/']
].map(toRooms)

/** The folders of the store, from the top. */
const storeFloors = [
  'tools', 'index.ts', 'migration', 'bridge', 'store', 'transaction', 'persistence', 'events', 'log', 'write',
  'view', 'query', 'filter', 'commit', 'bucket', 'index', 'rows', 'schema', 'scan', 'errors.ts', 'types',
  'storage', 'util'
].map(name => name.endsWith('.ts') ? name.replace('.', '\\.') + '$' : `${name}/`)
  .map(path => toRooms([`^packages/noex-store/src/${path}`]))

const pathOf = rooms => rooms.map(({ path }) => path).join('|')

const rulesOf = floors => floors.flatMap((row, index) => row.map(room => ({
  name: `floor-of-${room.name}`,
  comment: 'Imports go down only.',
  severity: 'error',
  from: { path: room.path },
  to: { path: pathOf([...floors.slice(0, index).flat(), ...row.filter(other => other !== room)]) }
}))).filter(({ to }) => to.path !== '')

/** Matches packages where they are installed. */
const installed = names => `(^|/)node_modules/(@types/)?(${names})(/|$)`
/** Where the packages are not built, types cannot be told from values: then every import counts. */
const store = '(^|/)packages/noex-store/|(^|/)@hamicek/noex-store(/|$)'

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      comment: 'Not of imports of types either: move what both need to the lower one.',
      severity: 'error',
      from: {},
      to: { circular: true }
    },
    ...rulesOf(floors),
    ...rulesOf(ruleFloors),
    ...rulesOf(storeFloors),
    {
      name: 'every-folder-has-a-floor',
      severity: 'error',
      from: { path: '^lib/', pathNot: pathOf([...floors.flat(), ...beside]) },
      to: {}
    },
    {
      name: 'client-imports-message-types',
      comment: 'And those of records. Nothing of either at run time: it runs in browsers.',
      severity: 'error',
      from: { path: '^lib/client/', pathNot: '^lib/client/adapters/' },
      to: { pathNot: `^lib/client/(?!adapters/)|^lib/protocol/messages\\.ts$|${store}` }
    },
    {
      name: 'client-imports-types-only',
      severity: 'error',
      from: { path: '^lib/client/' },
      to: { path: '^(lib(?!/client/)|routes|packages)/', dependencyTypesNot: ['type-only'] }
    },
    {
      name: 'adapters-import-the-client',
      comment: 'And their framework.',
      severity: 'error',
      from: { path: '^lib/client/adapters/' },
      to: { pathNot: '^lib/client/|(^|/)node_modules/' }
    },
    {
      name: 'console-is-a-client',
      comment: 'Of the index, as programs of others are; and nothing imports it.',
      severity: 'error',
      from: { path: '^lib/console/' },
      to: { pathNot: '^lib/console/|^lib/client/index\\.ts$|(^|/)node_modules/uplot/' }
    },
    {
      name: 'console-beside-the-floors',
      severity: 'error',
      from: { path: '^(lib|routes|packages)/', pathNot: '^lib/console/' },
      to: { path: '^lib/console/' }
    },
    {
      name: 'client-beside-the-floors',
      severity: 'error',
      from: { path: '^(lib|routes|packages)/', pathNot: '^lib/(client|cli|console)/' },
      to: { path: '^lib/client/' }
    },
    {
      name: 'fastify-at-the-edge',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/(plugin|server)\\.ts$|^lib/(lifecycle|deployment)/' },
      to: { path: installed('fastify|@fastify/[^/]+'), pathNot: installed('@fastify/helmet') }
    },
    {
      name: 'one-file-makes-websockets',
      comment: 'Types may be imported anywhere; the command line gives the class to its client.',
      severity: 'error',
      from: { path: '^(lib|routes)/', pathNot: '^lib/(connection/socket|cli/server-connection)\\.ts$' },
      to: { path: installed('ws'), dependencyTypesNot: ['type-only'] }
    },
    {
      name: 'store-behind-one-folder',
      comment: 'Errors and functions of noex-store; types may be imported anywhere, turns are shared.',
      severity: 'error',
      from: { path: '^(lib|routes)/', pathNot: '^lib/(cluster|store|exports|cli)/|^lib/util/slice\\.ts$' },
      to: { path: store, dependencyTypesNot: ['type-only'] }
    },
    {
      name: 'source-knows-no-tests',
      severity: 'error',
      from: { path: '^(lib|routes|packages/[^/]+/src)/', pathNot: '^lib/cli/demo\\.ts$' },
      to: { path: '^(test|bench|example-app|scripts|tools|packages/[^/]+/test)/' }
    },
    {
      name: 'demo-runs-the-example',
      severity: 'error',
      from: { path: '^lib/cli/demo\\.ts$' },
      to: { path: '^(test|bench|scripts|tools|packages/[^/]+/test)/' }
    },
    {
      name: 'packages-stand-alone',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: '^(lib|routes)/' }
    }
  ],
  options: {
    // Imports of types are imports.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: '(^|/)(node_modules|dist)/' },
    exclude: { path: '^test/registry-kernel/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default']
    }
  }
}
