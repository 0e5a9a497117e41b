// Addresses of buckets: their two parts, and the error for a text of another form.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordAddress, s3Address } from './address.ts'

test('an address has a bucket and a prefix, which may be empty', () => {
  assert.deepEqual(s3Address('s3://bucket/a/b/'), { bucket: 'bucket', prefix: 'a/b' })
  for (const uri of ['s3://bucket', 's3://bucket/']) {
    assert.deepEqual(s3Address(uri), { bucket: 'bucket', prefix: '' })
  }
})

test('the address of an output names its record', () => {
  assert.equal(recordAddress('s3://bucket/run/output').prefix, 'run')
  assert.equal(recordAddress('s3://bucket/output').prefix, '')
  assert.equal(recordAddress('s3://bucket/my-output').prefix, 'my-output')
})

test('a text of another form is rejected with its form and a remedy', () => {
  for (const uri of ['s3://', 's3:///prefix', 'bucket/prefix', '']) {
    assert.throws(() => s3Address(uri), {
      code: 'InvalidJob',
      message: `the address ${uri} is not s3://bucket/prefix`,
      remedy: /^write the name of the bucket after s3:\/\//,
    })
  }
})
