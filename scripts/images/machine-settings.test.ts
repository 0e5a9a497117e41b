// What of a machine's package settings reaches a build.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { npmSettings, pipSettings } from './machine-settings.ts'

test("npm: the user's lines but paths, a registry of the environment, the authorities last", () => {
  const file = 'fund=false\ncafile=/home/me/ca.pem\n//npm.example.com/:_authToken=abc\ncache = /var/npm\n'
  const env = {
    npm_config_registry: 'https://npm.example.com/',
    npm_config_https_proxy: 'http://proxy:3128',
    npm_config_prefix: '/usr',
  }
  assert.deepEqual(npmSettings(file, env, '/run/ca').trim().split('\n').filter(Boolean), [
    'fund=false',
    '//npm.example.com/:_authToken=abc',
    'registry=https://npm.example.com/',
    'https-proxy=http://proxy:3128',
    'cafile=/run/ca',
  ])
})

test('pip: indexes and time limits, no paths of this machine', () => {
  const list = `:env:.cert='/etc/ca'
:env:.default-timeout='180'
:env:.find-links='/opt/wheels'
global.index-url='https://pypi.example.com/simple'
install.user='true'
global.extra-index-url='\\nhttps://a.example.com\\nhttps://b.example.com'
`
  assert.equal(
    pipSettings(list, undefined),
    '[global]\ndefault-timeout = 180\nindex-url = https://pypi.example.com/simple\n' +
      'extra-index-url = \n  https://a.example.com\n  https://b.example.com\n',
  )
  assert.match(pipSettings('', '/run/ca'), /^cert = \/run\/ca$/m)
})
