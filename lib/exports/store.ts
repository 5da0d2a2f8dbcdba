export * from '@hamicek/noex-store'
export { FileAdapter, MemoryAdapter } from '@hamicek/noex'
export type { FileAdapterOptions, MemoryAdapterOptions, PersistedState, StateMetadata, StorageAdapter } from '@hamicek/noex'
