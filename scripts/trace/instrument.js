// Module hooks: each function of `dist/lib` and `dist/routes` of one checkout reports to the recorder when it
// is entered, left, suspended and resumed.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parse } from 'acorn'

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'])

/** Threads have no recorder: their work is not traced. */
const PRELUDE =
  'const $trace = globalThis[Symbol.for("noex.trace")] ?? { enter () {}, leave () {}, back () {}, ' +
  'suspend: (_, value) => value, resume: (_, value) => value, iterate: (_, items) => items };'

let distUrl

/** Called once by Node; `url` is that of the directory `dist`. */
export function initialize ({ url }) {
  distUrl = url
}

export async function load (url, context, nextLoad) {
  const name = url.startsWith(distUrl) && url.slice(distUrl.length)
  if (!name || !/^(lib|routes)\/.*\.js$/.test(name)) return await nextLoad(url, context)
  const source = await readFile(fileURLToPath(url), 'utf8')
  return { format: 'module', source: instrument(source, name), shortCircuit: true }
}

/** Returns the source of a module with a report at both ends of each function, await and yield. */
function instrument (source, name) {
  const insertions = []
  const insert = (position, text) => { insertions.push({ position, text, order: insertions.length }) }
  walk(parse(source, { ecmaVersion: 'latest', sourceType: 'module' }), undefined, { source, insert, name })

  let result = ''
  let end = source.length
  insertions.sort((a, b) => b.position - a.position || b.order - a.order)
  for (const { position, text } of insertions) {
    result = text + source.slice(position, end) + result
    end = position
  }
  return PRELUDE + source.slice(0, end) + result
}

/** `owner` is the innermost function around the node. */
function walk (node, owner, output) {
  const { insert } = output
  const isFunction = FUNCTIONS.has(node.type)
  const end = owner === undefined ? undefined : openStatement(node, insert)
  if (isFunction) openFunction(node, owner !== undefined, output)
  for (const child of childrenOf(node)) walk(child, isFunction ? node : owner, output)
  if (end !== undefined) insert(node.end, end)
  if (!isFunction) return
  const leave = '} finally { $trace.leave($call) }'
  if (node.body.type === 'BlockStatement') insert(node.body.end - 1, leave)
  else insert(node.end, `) ${leave} }`)
}

function openFunction (node, isNested, { source, insert, name }) {
  const isInline = isNested && node.type !== 'FunctionDeclaration'
  const enter = `const $call = $trace.enter(${JSON.stringify(name)}, ${isInline}); try {`
  if (node.body.type === 'BlockStatement') insert(node.body.start + 1, enter)
  // The expression may stand in parentheses, which are not part of it.
  else insert(source.lastIndexOf('=>', node.body.start) + 2, `{ ${enter} return (`)
}

/** Inserts what comes before a node of a function; returns what comes after it. */
function openStatement (node, insert) {
  switch (node.type) {
    case 'AwaitExpression':
    case 'YieldExpression':
      insert(node.start, '$trace.resume($call, ')
      if (node.argument === null) return ')'
      insert(node.argument.start, '$trace.suspend($call, (')
      return ')))'
    case 'ForOfStatement':
      if (!node.await) return undefined
      insert(node.start, '{')
      insert(node.right.start, '$trace.iterate($call, ')
      insert(node.right.end, ')')
      insert(node.body.start, '{ $trace.back($call);')
      return '} $trace.back($call) }'
    // After a rejection the function goes on here.
    case 'CatchClause':
      insert(node.body.start + 1, '$trace.back($call);')
      return undefined
    case 'TryStatement':
      if (node.finalizer !== null) insert(node.finalizer.start + 1, '$trace.back($call);')
      return undefined
    default:
      return undefined
  }
}

function childrenOf (node) {
  return Object.values(node).flat().filter(value => typeof value?.type === 'string')
}
