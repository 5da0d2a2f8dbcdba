export { threadFile } from '@hamicek/noex-journal'
