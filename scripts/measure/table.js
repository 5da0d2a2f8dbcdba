/** Prints rows under a heading; numbers stand on the right. */
export function printTable (heading, rows) {
  const lines = [heading, ...rows].map(row => row.map(String))
  const widths = heading.map((_, column) => Math.max(...lines.map(line => line[column].length)))
  const isNumber = column => rows.every(row => typeof row[column] === 'number')
  for (const line of lines) {
    const cells = line.map((text, column) =>
      isNumber(column) ? text.padStart(widths[column]) : text.padEnd(widths[column])
    )
    console.log(cells.join('  ').trimEnd())
  }
}
