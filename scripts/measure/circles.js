import { dirname, posix } from 'node:path'
import ts from 'typescript'

/** Returns for each source file the files that it imports, types included. */
function importsOf (files) {
  const paths = new Set(files.map(({ path }) => path))
  return new Map(files.filter(({ path }) => path.endsWith('.ts')).map(({ path, text }) => {
    const targets = ts.preProcessFile(text, true, true).importedFiles
      .filter(({ fileName }) => fileName.startsWith('.'))
      .map(({ fileName }) => posix.join(dirname(path), fileName).replace(/\.js$/, '.ts'))
    return [path, new Set(targets.filter(target => paths.has(target)))]
  }))
}

/** Returns the sets of nodes of which each reaches each other: circles that share a node are one. */
function circlesOf (graph) {
  const index = new Map()
  const low = new Map()
  const stack = []
  const circles = []
  const visit = node => {
    index.set(node, index.size)
    low.set(node, index.get(node))
    stack.push(node)
    for (const target of graph.get(node) ?? []) {
      if (!index.has(target)) visit(target)
      if (stack.includes(target)) low.set(node, Math.min(low.get(node), low.get(target)))
    }
    if (low.get(node) !== index.get(node)) return
    const circle = stack.splice(stack.indexOf(node))
    if (circle.length > 1) circles.push(circle.sort())
  }
  for (const node of graph.keys()) if (!index.has(node)) visit(node)
  return circles
}

function folderGraph (graph) {
  const folders = new Map()
  for (const [path, targets] of graph) {
    const folder = folderOf(path)
    if (!folders.has(folder)) folders.set(folder, new Set())
    for (const target of targets) if (folderOf(target) !== folder) folders.get(folder).add(folderOf(target))
  }
  return folders
}

/** A file beside the folders, such as `lib/index.ts`, counts as a folder of its own. */
function folderOf (path) {
  return /^(lib|packages\/[^/]+\/src)$/.test(dirname(path)) ? path : dirname(path)
}

/** Returns the pairs of nodes that import each other. */
function pairsOf (graph) {
  return [...graph].flatMap(([node, targets]) => [...targets]
    .filter(target => node < target && graph.get(target)?.has(node))
    .map(target => [node, target]))
}

export function circlesOfFiles (files) {
  return circlesOf(importsOf(files))
}

/** Returns circles of folders, and pairs of folders that import each other. */
export function circlesOfFolders (files) {
  const graph = folderGraph(importsOf(files))
  return { circles: circlesOf(graph), pairs: pairsOf(graph) }
}
