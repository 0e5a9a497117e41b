// Writes the configuration of the gate's nats-server, then ends. It runs before the server in its pod: the public keys that the
// configuration names are derived from the seeds, which the chart creates at random.
import { writeFile } from 'node:fs/promises'
import { runProgram } from '#runtime/run-program.ts'
import { readConfig, readKeys } from '../environment.ts'
import { calloutConfig } from '../server-config.ts'

await runProgram(process.env, async () => {
  const { file, port, tlsFolder, websocket, seeds } = readConfig(process.env)
  const { issuer, user } = await readKeys(seeds)
  const options = { ...(tlsFolder === undefined ? {} : { tlsFolder }), ...(websocket ? { websocket } : {}) }
  await writeFile(
    file,
    calloutConfig({ issuer: issuer.publicKey, gateUser: user.publicKey, port, ...options }),
  )
})
