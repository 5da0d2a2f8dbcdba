import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { readDocument, sample } from '../support/documents.js'
import { freePort } from '../support/free-port.js'
import { projectFile } from '../support/project-file.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const path = 'docs/getting-started.md'
const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

/** Runs the line that starts the service, and resolves when it listens. */
async function start (t: Test, folder: string): Promise<ChildProcess> {
  const [program, ...args] = sample(path, 'start').trim().split(' ')
  const env = { ...process.env, NODE_OPTIONS: '' }
  t.equal(program, 'node')
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  for await (const line of child.stdout) if (String(line).includes('Server listening')) break
  return child
}

t.test('the steps of docs/getting-started.md lead from an empty folder to a live list', async t => {
  t.ok(readDocument('docs/install.md').includes(sample(path, 'install').trim().split('&& ')[1] as string),
    'scripts/check-package.js installs by the same line')
  const folder = temporaryDirectory(t)
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(projectFile(''), join(folder, 'node_modules/fastify-noex'))
  symlinkSync(projectFile('node_modules/fastify'), join(folder, 'node_modules/fastify'))
  const port = await freePort()
  writeFileSync(join(folder, 'server.mjs'), sample(path, 'server').replace('port: 3000', `port: ${port}`))
  writeFileSync(join(folder, 'index.html'), sample(path, 'page'))
  const first = await start(t, folder)

  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  t.teardown(async () => { await browser.close() })
  const open = async (): Promise<Page> => {
    const page = await (await browser.newContext()).newPage()
    page.on('pageerror', error => { t.fail(error.message) })
    await page.goto(`http://127.0.0.1:${port}/`)
    await page.locator('#state', { hasText: 'open' }).waitFor()
    return page
  }
  const [mine, theirs] = [await open(), await open()]
  for (const title of ['water the plants', '<i>buy milk</i>']) {
    await mine.locator('input').fill(title)
    await mine.locator('button').click()
    for (const page of [mine, theirs]) await page.locator('li', { hasText: title }).waitFor()
  }
  await theirs.locator('li', { hasText: 'plants' }).click()
  await mine.locator('li[style*="line-through"]', { hasText: 'plants' }).waitFor()

  t.comment('the service is killed, and started again')
  first.kill('SIGKILL')
  await once(first, 'exit')
  await mine.locator('#state:not(:text-is("open"))').waitFor()
  await start(t, folder)
  for (const page of [mine, theirs]) {
    await page.locator('#state', { hasText: 'open' }).waitFor()
    t.same(await page.locator('li').allInnerTexts(), ['<i>buy milk</i>', 'water the plants'])
  }
})
