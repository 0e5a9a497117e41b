// Whose logs are read, in which order, and what their lines begin with.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubernetesObject } from '#operator/objects/shapes.ts'
import { logSources } from './pod-logs.ts'

const pod = (
  name: string,
  labels: Record<string, string>,
  init: string[],
  main: string[],
): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'team-a', labels },
  spec: { initContainers: init.map((name) => ({ name })), containers: main.map((name) => ({ name })) },
})
const worker = (name: string, partition: string, init: string[]): KubernetesObject =>
  pod(name, { 'fedsam.dev/role': 'worker', 'fedsam.dev/partition': partition }, init, ['trainer'])

const PODS = [
  worker('b-1', 'site-b', ['data', 'network']),
  worker('a-1', 'site-a', ['network']),
  pod('c-1', { 'fedsam.dev/role': 'coordinator' }, [], ['coordinator']),
  pod('other', {}, [], ['shell']),
]
const told = (client?: string): string[] =>
  logSources(PODS, client).map(({ pod, container, label }) => `${pod}/${container} [${label}]`)

test('the coordinator first, then clients by name, each container as it starts', () => {
  assert.deepEqual(told(), [
    'c-1/coordinator [coordinator]',
    'a-1/network [site-a network]',
    'a-1/trainer [site-a]',
    'b-1/data [site-b data]',
    'b-1/network [site-b network]',
    'b-1/trainer [site-b]',
  ])
})

test('the logs of one client alone, or of the coordinator alone', () => {
  assert.deepEqual(told('site-a'), ['a-1/network [site-a network]', 'a-1/trainer [site-a]'])
  assert.deepEqual(told('coordinator'), ['c-1/coordinator [coordinator]'])
  assert.deepEqual(told('site-z'), [])
})

test('the pods of one client follow in the order of their creation', () => {
  const pods = [worker('a-2', 'site-a', []), worker('a-1', 'site-a', [])]
  assert.deepEqual(
    logSources(pods).map(({ pod }) => pod),
    ['a-2', 'a-1'],
  )
})
