import { relativePath } from './relative-path.js'
import { markupOf } from './markup.js'
import type { ResolvedOptions } from '../lib/options/options.js'

/** How the users of a server log in, as the console asks them. */
type LoginForm = 'accounts' | 'token' | 'optional' | 'gateway' | 'none'

/**
 * Returns the page of the console. All of its links are relative; what it must know of the server is the
 * place of the socket, and the form of the login.
 */
export function consolePage (options: ResolvedOptions, modules: readonly string[]): string {
  const { path, name, routes: { console: own } } = options
  const data = { socket: relativePath(own === false ? '/' : own, path), login: loginForm(options), name }
  const attributes = Object.entries(data).map(([key, value]) => `data-${key}="${markupOf(value)}"`)
  // The ways without a WebSocket are loaded where they are needed.
  const needed = modules.filter(module => !/^client\/(http-|tab-)|\/start\.js$/.test(module))
  const links = needed.filter(module => module !== 'uPlot.js')
    .map(module => `<link rel="later" href="${markupOf(module)}">`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${markupOf(name)} – console</title>
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="console.css">
${links.join('\n')}
<script src="uPlot.js" defer fetchpriority="low"></script>
<script type="module" src="console/start.js"></script>
</head>
<body ${attributes.join(' ')}>
<noscript>The console needs JavaScript.</noscript>
<div id="console"><p class="boot">Connecting…</p></div>
</body>
</html>
`
}

function loginForm ({ auth }: ResolvedOptions): LoginForm {
  if (auth?.mode === 'builtIn') return 'accounts'
  if (auth?.mode === 'external') return auth.required ? 'token' : 'optional'
  return auth === undefined ? 'none' : 'gateway'
}
