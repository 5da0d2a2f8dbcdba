import { currentBeside, numberInName, SegmentNames } from '@hamicek/noex-journal'

const SUFFIX = '.jsonl'

/** The names of the files of a trail, from the path of its current segment. */
export class TrailFiles extends SegmentNames {
  readonly checkpoints: string

  /** @param path ends in `.jsonl` */
  constructor (path: string) {
    super(path, SUFFIX, 'trail')
    this.checkpoints = `${this.base}.checkpoints`
  }

  /** Returns the trail that a segment belongs to, current or closed. */
  static of (segment: string): TrailFiles {
    return new TrailFiles(currentBeside(segment, SUFFIX))
  }
}

/** Returns whether a file is, by its name, the one that a trail is written to. */
export function isCurrentSegment (file: string): boolean {
  return file.endsWith(SUFFIX) && seqInName(file) === undefined
}

/** Returns the number of the first entry, from the name of a closed segment. */
export function seqInName (file: string): number | undefined {
  return numberInName(file, SUFFIX)
}
