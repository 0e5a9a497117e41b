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

/** Where the volumes lie in both containers. */
export const POD_FOLDERS = {
  seam: '/seam',
  cache: '/cache',
  /** The base checkpoint, complete and verified, once the FIFOs are there. */
  checkpoint: '/cache/base/current',
  embeddings: '/cache/embeddings',
  /** What was fetched of a partition's S3 source. */
  data: '/cache/data',
} as const
