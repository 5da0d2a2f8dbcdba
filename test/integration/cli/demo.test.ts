import t from 'tap'
import { startCommand, startOnTerminal } from '../../support/command-process.js'
import { execute } from '../../support/command-line.js'

t.test('serves the order desk from memory, live, until Ctrl-C drains it', { timeout: 120_000 }, async t => {
  const demo = startCommand(t, ['demo', '--port', '0'])
  const [line] = await demo.sees(/^\{.*\}\n/)
  const { url, live } = JSON.parse(line) as { url: string, live: string }
  const page = await fetch(url).then(async response => await response.text())
  t.match(page, '<title>Order desk</title>')
  t.equal((await fetch(`${url}/client/index.js`)).status, 200)
  const watched = startCommand(t, ['watch', live, 'low-stock', 'atMost=2'])
  await watched.sees(/^\[\{"sku":"TRY-001".*\]\n/)
  const members = ['bucket=products', 'key=TRY-001', 'data={"stock":1}']
  const changed = await execute('call', live, 'store.update', ...members)
  t.equal(changed.code, 0)
  await watched.sees(/"stock":1\}\]\n/)
  demo.child.kill('SIGINT')
  t.equal(await demo.exited, 0)
  await watched.sees(/the connection is lost: /, { on: 'stderr' })
  watched.child.kill('SIGINT')
  t.same([await watched.exited, demo.stderr], [130, ''])
})

t.test('a page of another site cannot connect', async t => {
  const demo = startCommand(t, ['demo', '--port', '0'])
  const [, port] = await demo.sees(/localhost:(\d+)/)
  const statusFrom = async (origin: string): Promise<string | number> => {
    const { WebSocket } = await import('ws')
    const socket = new WebSocket(`ws://127.0.0.1:${port}/live`, { origin })
    return await new Promise(resolve => {
      socket.on('error', error => { resolve(error.message) })
      socket.on('open', () => {
        socket.close()
        resolve('open')
      })
    })
  }
  t.match(await statusFrom('https://evil.example'), '403')
  t.equal(await statusFrom(`http://localhost:${port}`), 'open')
})

t.test('takes another port where the default is taken, and says so where one was asked for', async t => {
  const first = startOnTerminal(t, ['demo'])
  const [, port] = await first.sees(/The order desk is live: \S*http:\/\/localhost:(\d+)/)
  const second = startOnTerminal(t, ['demo', '--log'])
  const [, another] = await second.sees(/The order desk is live: \S*http:\/\/localhost:(\d+)/)
  t.not(port, another)
  t.match(await execute('demo', '--port', port as string), { code: 2, stdout: '', stderr: /EADDRINUSE/ })
  second.write('\u0003')
  await second.sees(/SIGINT: draining/)
  t.equal(await second.exited, 0)
  first.write('\u0003')
  t.equal(await first.exited, 0)
})

t.test('refuses wrong usage', async t => {
  t.match(await execute('demo', '--help'), { code: 0, stdout: /^Usage: fastify-noex demo/ })
  t.match(await execute('demo', 'now'), { code: 2, stderr: /takes no argument, but there is now/ })
  t.match(await execute('demo', '--port', '70000'), { code: 2, stderr: /--port takes 0 to 65535/ })
  t.match(await execute('demo', '--port', 'x'), { code: 2, stderr: /--port takes an integer/ })
})
