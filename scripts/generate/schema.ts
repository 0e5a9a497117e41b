// Emits protocol/generated/schema.ts: the CRD's schema as data, without its descriptions.
import type { StructuralSchema } from '#protocol/structural-schema.ts'
import type { DescribedSchema } from './crd.ts'

/** TypeScript source of FEDERATED_JOB_SCHEMA. */
export function emitSchema(schema: DescribedSchema, banner: string): string {
  return [
    `${banner}import type { StructuralSchema } from '../structural-schema.ts'`,
    '',
    '/** The structural schema of a FederatedJob, v1alpha1: defaults, bounds and rules. */',
    `export const FEDERATED_JOB_SCHEMA: StructuralSchema = ${JSON.stringify(withoutText(schema), null, 1)}`,
    '',
  ].join('\n')
}

function withoutText({ description: _, ...schema }: DescribedSchema): StructuralSchema {
  const properties = Object.entries(schema.properties ?? {}).map(([name, field]) => [
    name,
    withoutText(field),
  ])
  return {
    ...schema,
    ...(schema.properties ? { properties: Object.fromEntries(properties) } : {}),
    ...(schema.additionalProperties
      ? { additionalProperties: withoutText(schema.additionalProperties) }
      : {}),
    ...(schema.items ? { items: withoutText(schema.items) } : {}),
  }
}
