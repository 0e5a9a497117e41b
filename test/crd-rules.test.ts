// Every rule of the CRD accepts and rejects what its cases say, in the command line's own evaluator.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findProblems } from '#cli/job/load.ts'
import { type Problem, pathText } from '#cli/job/problem.ts'
import { celRules, checkRules } from '#cli/job/rules.ts'
import { applyDefaults } from '#protocol/defaults.ts'
import { FEDERATED_JOB_SCHEMA } from '#protocol/generated/schema.ts'
import { type JobCase, jobOf, RULE_CASES, type RuleCases } from './crd-cases.ts'

/** Problems of creating the case's job or, where it has an old one, of changing that into it. */
function problemsOf(given: JobCase): Problem[] {
  if (!given.old) return findProblems(jobOf(given))
  const [job, old] = [given, given.old].map((side) => applyDefaults(FEDERATED_JOB_SCHEMA, jobOf(side)))
  assert.deepEqual(findProblems(jobOf(given.old)), [], 'the stored job is valid')
  return checkRules(job, { old })
}

function placeOf({ path }: Problem): string {
  return pathText(path).replaceAll(/\[\d+\]/g, '[]')
}

/** Rules that the cases speak of. */
function rulesOf({ at, says }: RuleCases) {
  return celRules().filter(
    ({ at: place, rule }) =>
      `${place}${rule.fieldPath ?? ''}`.replace(/^\./, '') === at && rule.message.includes(says),
  )
}

test('every rule has accepting and rejecting cases, and every entry speaks of one rule', () => {
  const covered = RULE_CASES.map((cases) => {
    const rules = rulesOf(cases)
    assert.equal(rules.length, 1, `${cases.at} "${cases.says}" belongs to one rule`)
    assert.ok(
      cases.accepts.length > 0 && cases.rejects.length > 0,
      `${cases.at} "${cases.says}" has cases of both kinds`,
    )
    return rules[0]?.rule
  })
  const without = celRules().filter(({ rule }) => !covered.includes(rule))
  assert.deepEqual(
    without.map(({ at, rule }) => `${at}: ${rule.message}`),
    [],
  )
  assert.equal(new Set(covered).size, covered.length, 'no rule is listed twice')
})

for (const cases of RULE_CASES) {
  test(`${cases.at}: ${cases.says}`, () => {
    for (const given of cases.accepts) assert.deepEqual(problemsOf(given), [], JSON.stringify(given))
    for (const given of cases.rejects) {
      const problems = problemsOf(given)
      assert.deepEqual(problems.map(placeOf), [cases.at], JSON.stringify(given))
      assert.ok(problems[0]?.message.includes(cases.says), problems[0]?.message)
    }
  })
}

test('every message says what to do', () => {
  for (const { at, rule } of celRules()) assert.match(rule.message, /; [a-z]/, `${at}: ${rule.message}`)
})
