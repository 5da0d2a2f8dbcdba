// Finds exports that nothing imports and dependencies that nothing needs.
import { readFileSync } from 'node:fs'

const { devDependencies } = JSON.parse(readFileSync(new URL('tools/package.json', import.meta.url), 'utf8'))

const packageEntries = ['src/**/*-worker.ts', 'test/**/*.{test,tst}.ts', 'test/{fixtures,bench,types}/*.ts']

export default {
  // Tests and lint have their packages in a workspace of their own; those of this repository are bundled.
  ignoreDependencies: [...Object.keys(devDependencies), '@hamicek/.*'],
  ignoreWorkspaces: ['tools', 'test/registry-kernel'],
  // Programs of the system.
  rules: { binaries: 'off' },
  workspaces: {
    '.': {
      entry: [
        'lib/{index,exports/*,cli/main,client/index,client/adapters/*,console/start}.ts',
        'lib/**/*-worker.ts',
        'bench/run.ts',
        'bench/{servers,store}/*.ts',
        'bench/peers/*.js',
        'example-app/server.ts',
        'example-app/public/*.js',
        '{,scripts/}*.js',
        'scripts/consumer/*',
        'scripts/store-crash/*.js',
        'scripts/trace/{drive,instrument}.js',
        'test/**/*.{test,campaign,browser}.ts',
        'test/**/*-{driver,server,readers,trips}.ts',
        'test/**/fixtures/*.{ts,js}',
        'test/types/*.ts',
        'test/preload.cjs'
      ],
      project: ['{lib,routes,bench,example-app,scripts,test}/**/*.{ts,js,mjs,cjs,mts,cts}', '*.js'],
      // Written by describe.mjs, where the package is checked; served by routes.client.
      ignoreUnresolved: ['./described.mjs', './client/index.js'],
      // Of the packages that are bundled, and of benchmarks that say where they are to be installed.
      ignoreDependencies: [
        'croner', 're2js', 'better-sqlite3', 'mercurius', 'socket.io', '@feathersjs/.*', '@trpc/.*'
      ]
    },
    'packages/*': { entry: packageEntries, project: '{src,test}/**/*.ts' }
  }
}
