// The data sidecar of a worker's pod as a program: fetches the partition's S3 source once, then does nothing until it is stopped.
// An error ends it with the reason, and the kubelet restarts it.

import { runProgram, untilStopped } from '#runtime/run-program.ts'
import { openPrefix } from '#transport/store/s3/prefix.ts'
import { sourceSettings } from '../environment.ts'
import { fetchSource } from './fetch.ts'

await runProgram(process.env, async (signal) => {
  const { uri, s3, folder } = sourceSettings(process.env)
  const source = openPrefix(s3)
  const stopped = untilStopped(signal)
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  await Promise.race([fetchSource({ uri, folder, source, log }), stopped])
  source.close()
  await stopped
})
