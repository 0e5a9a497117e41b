// The policy on authors knows every field with which a job names an account, a Secret, a ConfigMap or a claim, and every template: a new
// field of the schema fails here until the policy judges it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FEDERATED_JOB_SCHEMA } from '#protocol/generated/schema.ts'
import type { StructuralSchema } from '#protocol/structural-schema.ts'
import { of, render } from './helm.ts'

const NAMES = /(SecretName|ConfigMapName|[cC]laimName|serviceAccountName|[tT]emplate|valueFrom)$/

/** Paths of fields below the spec, without the spec: `partitions[].source.s3.credentialsSecretName`. */
function naming(schema: StructuralSchema, at = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = at === '' ? name : `${at}.${name}`
    const inside = [...naming(field, path), ...(field.items ? naming(field.items, `${path}[]`) : [])]
    return NAMES.test(name) ? [path, ...inside] : inside
  })
}

test('the policy on authors judges every field that names an object or holds a template', async () => {
  const fields = naming(FEDERATED_JOB_SCHEMA.properties!.spec!)
  assert.ok(fields.length >= 12, fields.join(', '))
  const policies = of(await render(), 'ValidatingAdmissionPolicy')
  const { variables } = policies.find(({ metadata }) => metadata.name === 'fedsam-authors')!.spec
  const text = (variables as { expression: string }[]).map(({ expression }) => expression).join('\n')
  const unknown = fields.filter((field) => {
    const [, inside] = /^partitions\[\]\.(.*)$/.exec(field) ?? []
    const [, variable] = /^trainer\.command\.env\[\]\.(.*)$/.exec(field) ?? []
    const wanted = inside ? `p.${inside}` : variable ? `e.${variable}` : `object.spec.${field}`
    return !text.replaceAll('.?', '.').includes(wanted)
  })
  assert.deepEqual(unknown, [])
})
