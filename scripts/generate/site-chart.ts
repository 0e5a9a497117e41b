// Emits charts/fedsam-site/values.schema.json. Guarantees that the values of `site` are the fields of a site's file, from its one schema,
// but for what the chart mounts: the key, the state, the data and the certificates.
import { type DescribedField, SITE_FILE_SCHEMA } from '#site/file/schema.ts'
import { draft7 } from './site-file.ts'

type Schema = Readonly<Record<string, unknown>>

const TEXT = { type: 'string' }
const NAME = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$', maxLength: 253 }
const NAME_OR_EMPTY = { type: 'string', pattern: '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$', maxLength: 253 }
const OBJECT = { type: 'object' }
const TEXTS = { type: 'object', additionalProperties: TEXT }
const PORT = { type: 'integer', minimum: 1, maximum: 65535 }

const list = (items: Schema): Schema => ({ type: 'array', items })
const closed = (properties: Readonly<Record<string, Schema>>, more: Schema = {}): Schema => ({
  type: 'object',
  additionalProperties: false,
  ...more,
  properties,
})

/** The schema of the values of the chart `fedsam-site`, as JSON Schema, draft 7. */
export function emitSiteValues(): string {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart fedsam-site',
    ...closed({
      global: OBJECT,
      image: closed({
        registry: TEXT,
        repository: TEXT,
        tag: TEXT,
        digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
        pullPolicy: { enum: ['IfNotPresent', 'Always', 'Never'] },
        pullSecrets: list(NAME),
      }),
      key: closed({ secretName: NAME_OR_EMPTY }),
      site: siteValues(),
      state: closed({
        claim: NAME_OR_EMPTY,
        size: { type: 'string', pattern: '^[1-9][0-9]*([KMGTP]i?)?$' },
        storageClassName: NAME_OR_EMPTY,
      }),
      gpu: closed({ count: { type: 'integer', minimum: 0, maximum: 16 }, resource: TEXT }),
      resources: closed({ requests: OBJECT, limits: OBJECT }),
      runtimeClassName: NAME_OR_EMPTY,
      nodeSelector: TEXTS,
      tolerations: list(OBJECT),
      affinity: OBJECT,
      podAnnotations: TEXTS,
      podLabels: TEXTS,
      hostAliases: list(closed({ ip: TEXT, hostnames: list(TEXT) }, { required: ['ip', 'hostnames'] })),
      extraEnv: list({ type: 'object', required: ['name'] }),
      extraVolumes: list({ type: 'object', required: ['name'] }),
      extraVolumeMounts: list({ type: 'object', required: ['name', 'mountPath'] }),
      networkPolicy: closed({
        enabled: { type: 'boolean' },
        entry: list(
          closed(
            { cidr: { type: 'string', pattern: '^[0-9a-fA-F.:]+/[0-9]{1,3}$' }, port: PORT },
            {
              required: ['cidr', 'port'],
            },
          ),
        ),
        dns: list(
          closed({ podSelector: OBJECT, namespaceSelector: OBJECT, ipBlock: OBJECT }, { minProperties: 1 }),
        ),
      }),
    }),
  }
  return `${JSON.stringify(schema, null, 2)}\n`
}

/** The fields of the file of a site, with the chart's own in place of those that name a path. */
function siteValues(): Schema {
  const { federations, datasets, trainers, models, metrics } = fieldsOf(SITE_FILE_SCHEMA)
  const federation = federations!.items!
  const dataset = datasets!.additionalProperties!
  const { ca: _ca, ...federationFields } = fieldsOf(federation)
  const { path: _path, ...datasetFields } = fieldsOf(dataset)
  return closed({
    federations: {
      ...draft7(federations!),
      items: closed({ ...mapped(federationFields), ca: authority() }, { required: federation.required }),
    },
    datasets: {
      ...draft7(datasets!),
      additionalProperties: closed(
        { claim: NAME, folder: { type: 'string', minLength: 1, maxLength: 1024 }, ...mapped(datasetFields) },
        { required: ['claim'] },
      ),
    },
    trainers: draft7(trainers!),
    models: draft7(models!),
    metrics: draft7(metrics!),
  })
}

/** Where the certificates of a federation are. */
function authority(): Schema {
  const properties = { configMapName: NAME, secretName: NAME, key: { type: 'string', minLength: 1 } }
  return closed(properties, { oneOf: [{ required: ['configMapName'] }, { required: ['secretName'] }] })
}

/** Throws where the file of a site has no such field any more. */
function fieldsOf({ properties }: DescribedField): Readonly<Record<string, DescribedField>> {
  if (properties === undefined)
    throw new Error('the schema of the file of a site has changed: correct site-chart.ts')
  return properties
}

function mapped(fields: Readonly<Record<string, DescribedField>>): Record<string, Schema> {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, draft7(field)]))
}
