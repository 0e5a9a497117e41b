// What a newcomer does after `helm install`: the first job of the chart's notes, pasted as it is printed, and `helm test`.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { ensureKubernetes } from '#scripts/kubernetes/build.ts'
import { type Stage, SYSTEM, until } from './stage.ts'

const inSystem = ['-n', SYSTEM]
/** Where the notes put the job: no job runs in the operator's own namespace. */
const PLACE = 'default'
const inPlace = ['-n', PLACE]

/** The lines of the notes from the job to the wait for its end, with the indentation that they are printed with. */
async function notedCommands(stage: Stage): Promise<string> {
  const notes = await stage.node.helm(['get', 'notes', 'fedsam', ...inSystem])
  const found = /^ *kubectl \S+ \S+ apply [\s\S]*?^ *kubectl .* wait .*$/m.exec(notes)
  assert.ok(found, notes)
  return found[0]
}

/** In a shell that has kubectl on its PATH. */
async function paste(stage: Stage, commands: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-e2e-first-'))
  try {
    await symlink((await ensureKubernetes()).kubectl, join(folder, 'kubectl'))
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, KUBECONFIG: stage.node.kubeconfig }
    return (await promisify(execFile)('bash', ['-euc', commands], { env })).stdout
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export function firstJobScenario(stage: () => Stage): void {
  test('the job of the notes, pasted as it is printed, completes', async () => {
    const said = await paste(stage(), await notedCommands(stage()))
    assert.match(said, /federatedjob\.fedsam\.dev\/first created\n/)
    assert.match(said, /federatedjob\.fedsam\.dev\/first condition met\n/)
    const { status } = JSON.parse(
      await stage().node.kubectl([...inPlace, 'get', 'fj', 'first', '-o', 'json']),
    )
    assert.equal(status.summary.round, '5/5')
    assert.match(status.training.output.uri, new RegExp(`^s3://fedsam/${PLACE}/first/`))
    await stage().node.kubectl([...inPlace, 'delete', 'fj', 'first', '--timeout=60s'])
    await until(
      'its pods are gone',
      () => stage().node.kubectl([...inPlace, 'get', 'pods', '-o', 'name', '-l', 'fedsam.dev/job=first']),
      (names) => names.trim() === '',
    )
  })

  test('helm test passes, and its pod is gone', async () => {
    const said = await stage().node.helm(['test', 'fedsam', ...inSystem, '--timeout', '3m'])
    assert.match(said, /Phase: +Succeeded/)
    const pods = await stage().node.kubectl([...inSystem, 'get', 'pods', '-o', 'name'])
    assert.doesNotMatch(pods, /fedsam-test/)
  })
}
