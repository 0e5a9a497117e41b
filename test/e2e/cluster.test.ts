// The end-to-end layer: a real node, images built from the Dockerfile, the chart, jobs applied with kubectl. One stage for all scenarios,
// in this order; each takes away what it made.
import { after, before, describe } from 'node:test'
import { brainTissueScenario } from './brain-tissue.ts'
import { faultScenarios } from './faults.ts'
import { firstJobScenario } from './first-job.ts'
import { missingScenarios } from './missing.ts'
import { numpyScenario } from './numpy.ts'
import { resumeScenario } from './resume.ts'
import { siteChartScenario } from './site-chart.ts'
import { sitesScenario } from './sites.ts'
import { sourceScenario } from './source.ts'
import { openStage, type Stage } from './stage.ts'

let stage: Stage
before(async () => {
  stage = await openStage()
})
after(() => stage?.stop())

describe('a first try', () => firstJobScenario(() => stage))
describe('the example, from helm install to the model in the bucket', () => brainTissueScenario(() => stage))
describe('a Flower client in an image of its own', () => numpyScenario(() => stage))
describe('data in a bucket', () => sourceScenario(() => stage))
describe('a job from the record of another', () => resumeScenario(() => stage))
describe('faults on a job of seconds', () => faultScenarios(() => stage))
describe('sites in other networks', () => sitesScenario(() => stage))
describe('a site in a cluster of its own', () => siteChartScenario(() => stage))
describe('something is missing', () => missingScenarios(() => stage))
