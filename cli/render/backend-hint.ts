// Reports once that a run computes on WebAssembly because native TensorFlow is not built, with the command that builds it. Pure.
import type { RunEvent } from '#protocol/events.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'

/** Returns the line for the first client that joins on WebAssembly without having asked for it. `build` is the command. */
export function createBackendHint(
  { trainer }: Pick<CompleteFederatedJobSpec, 'trainer'>,
  build: string,
): (event: RunEvent) => string | undefined {
  let said = trainer.type !== 'SegmentAnything' || trainer.segmentAnything?.backend !== 'Auto'
  return (event) => {
    if (said || event.event !== 'ClientJoined' || !/^Wasm\b/.test(event.backend)) return undefined
    said = true
    return `training runs on WebAssembly, on one core; to build native TensorFlow, which is faster, once: ${build}`
  }
}
