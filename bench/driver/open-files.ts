/** Returns how many files, sockets among them, a process may have open (`ulimit -n`). */
export function openFilesLimit (): number {
  const report = process.report.getReport() as {
    userLimits?: { open_files?: { soft?: number | 'unlimited' } }
  }
  const soft = report.userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : Infinity
}
