// The files by which the two halves of a worker meet in a pod, in a volume of their own: what the operator's trainer script and the
// worker's network half agree on. Outside a pod the trainer is a child process, and none of these exist.

/** Names in the seam's folder. */
export const SEAM_FILES = {
  /** FIFO: calls to the trainer, its standard input. */
  input: 'in',
  /** FIFO: the trainer's answers, its standard output. */
  output: 'out',
  /**
   * FIFO, the last one that appears: a line "again" ends the trainer's process, with SIGKILL, and restarts it, on the FIFOs that
   * lie under the names above then (they are others: no life reads the calls of the one before).
   */
  control: 'control',
  /**
   * Left by the trainer's container after a line "measure N" on `control`: a line "answer N of ROOT without READER", then /proc/PID/stat of
   * each of its processes without the name in brackets, then a line "end". ROOT is the script's own process, READER the one that wrote.
   */
  processes: 'processes',
  /** Left by the network half before it closes `in` for the last time: the exit code that the pod should end with, as digits. */
  exit: 'exit',
} as const

/** Below the cache: the folder of base checkpoints, and in it the link to the one that is complete and verified. */
export const BASE_CHECKPOINTS = { folder: 'base', current: 'current' } as const

const CACHE = '/cache'

/** Where the volumes are mounted in both containers, and folders in them. */
export const POD_FOLDERS = {
  seam: '/seam',
  cache: CACHE,
  /** The base checkpoint, complete and verified, once the FIFOs exist. */
  checkpoint: `${CACHE}/${BASE_CHECKPOINTS.folder}/${BASE_CHECKPOINTS.current}`,
  embeddings: `${CACHE}/embeddings`,
  /** The files of a partition's S3 source. */
  data: `${CACHE}/data`,
} as const

/** The file that the data sidecar writes last, beside the folder with the files of the source. */
export function completeMarker(folder: string): string {
  return `${folder}.complete`
}
