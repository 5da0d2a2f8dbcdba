// Finds exports that nothing imports and dependencies that nothing needs.
import { readFileSync } from 'node:fs'

const { devDependencies: tools } = JSON.parse(readFileSync(new URL('tools/package.json', import.meta.url), 'utf8'))

const packageEntries = [
  'src/index.ts',
  'src/**/*-worker.ts',
  'test/**/*.{test,tst}.ts',
  'test/{fixtures,bench,types}/*.ts'
]

export default {
  // What tests and lint need is listed in a workspace of its own; the packages of this repository are bundled.
  ignoreDependencies: [...Object.keys(tools), '@hamicek/.*'],
  ignoreWorkspaces: ['tools', 'test/registry-kernel'],
  workspaces: {
    '.': {
      entry: [
        'lib/index.ts',
        'lib/exports/*.ts',
        'lib/cli/main.ts',
        'lib/**/*-worker.ts',
        'bench/run.ts',
        'bench/{servers,store}/*.ts',
        'example-app/server.ts',
        'example-app/public/*.js',
        'scripts/*.js',
        'scripts/consumer/*',
        'scripts/store-crash/*.js',
        'scripts/trace/{drive,instrument}.js',
        'test/**/*.{test,campaign,browser}.ts',
        'test/**/*-{driver,server,readers,trips}.ts',
        'test/**/fixtures/*.{ts,js}',
        'test/preload.cjs'
      ],
      project: ['{lib,routes,bench,example-app,scripts,test}/**/*.{ts,js,mjs,cjs,mts,cts}', '!test/registry-kernel/**'],
      // Of the packages that are bundled.
      ignoreDependencies: ['croner', 're2js']
    },
    'packages/*': { entry: packageEntries, project: '{src,test}/**/*.ts' },
    'packages/noex-store': { entry: [...packageEntries, 'src/tools/index.ts'], project: '{src,test}/**/*.ts' }
  }
}
