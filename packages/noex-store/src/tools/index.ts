export { importDirectory, type ImportOptions, type ImportReport } from './import-directory.js'
