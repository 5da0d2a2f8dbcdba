export * from '@hamicek/noex-store'
export { FileAdapter, MemoryAdapter } from '@hamicek/noex-store'
export type {
  FileAdapterOptions, MemoryAdapterOptions, PersistedState, StateMetadata, StorageAdapter
} from '@hamicek/noex-store'
