// A job in every state, and the exact text that `kubectl fedsam status` says of it. Each has a coordinator and a site-a that are
// ready, and a site-b that no node has room for; a suspended one has no pods.
import type { Told } from './kubectl-jobs.ts'

const ROUNDS = [
  { round: 1, attempt: 1, cohort: 3, accepted: 3, seconds: 41.52, metrics: { loss: 0.71, dice: 0.8 } },
  { round: 2, attempt: 2, cohort: 3, accepted: 2, seconds: 1640.3, metrics: { loss: 0.4213, dice: 0.912 } },
]
const NOT_FINITE =
  'tensor mask_decoder.output_upscaling.0.weight holds a NaN; see the learning rate of this site and its masks.'

export interface StatusCase {
  /** Absent: nobody has looked at it yet. */
  readonly told?: Told
  /** Standard output, whole. */
  readonly says: string
}

export const STATUS_CASES: Readonly<Record<string, StatusCase>> = {
  fresh: {
    says: `fresh/fresh  New  round 0 of 3
  The operator has not seen it yet; find out why: kubectl fedsam doctor

Clients: at least 2 are needed
  site-a  Missing  it has no pod
  site-b  Missing  it has no pod
  site-c  Missing  it has no pod

Waits for
  the operator, which has not seen this version of the job yet

Record
  s3://models/fresh/fresh/UID
`,
  },
  waiting: {
    told: {
      state: 'Waiting',
      waitingFor: 'NotEnoughClients',
      available: 1,
      quorum: 'site-b is missing: pending on nvidia.com/gpu. 1 of 2 needed clients are available.',
      training: { round: 0, attempt: 0, state: 'Waiting', clients: { total: 3, available: 1 } },
    },
    says: `waiting/waiting  Waiting for 3h  round 0 of 3
  The job waits before it trains.

Conditions
  Ready            Unknown  NotEnoughClients  3h
  Reconciling      True     NotEnoughClients  3h
  Suspended        False    NotSuspended      3h
  Complete         False    NotComplete       3h
  Failed           False    NotFailed         3h
  QuorumAvailable  False    NotEnoughClients  3h
      site-b is missing: pending on nvidia.com/gpu. 1 of 2 needed clients are available.

Clients: 1 of 3 are available, at least 2 are needed
  site-a  Present
  site-b  Missing  pending, 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.
  site-c  Missing  it has no pod

Waits for
  clients: site-b, site-c

Record
  s3://models/waiting/waiting/UID
`,
  },
  training: {
    told: {
      state: 'Training',
      training: {
        round: 2,
        attempt: 2,
        state: 'Training',
        clients: {
          total: 3,
          available: 2,
          absent: [{ name: 'site-b', outcome: 'Rejected', reason: 'NotFinite', message: NOT_FINITE }],
        },
        metrics: { loss: 0.4213, dice: 0.912 },
        best: { round: 1, metric: 'dice', value: 0.912 },
        rounds: ROUNDS,
      },
    },
    says: `training/training  Training for 3h  round 2 of 3, attempt 2
  dice 0.9120, loss 0.4213, best: dice 0.9120 in round 1
  Rounds are running.

Conditions
  Ready            True   Training       3h
  Suspended        False  NotSuspended   3h
  Complete         False  NotComplete    3h
  Failed           False  NotFailed      3h
  QuorumAvailable  True   EnoughClients  3h

Clients: 2 of 3 are available, at least 2 are needed
  site-a  Present
  site-b  Rejected  NotFinite  tensor mask_decoder.output_upscaling.0.weight holds a NaN; see the
                               learning rate of this site and its masks.
  site-c  Missing              it has no pod

Rounds
  round  attempt  updates  seconds    dice    loss
      1        1      3/3     41.5  0.8000  0.7100
      2        2      2/3   1640.3  0.9120  0.4213

Record
  s3://models/training/training/UID
`,
  },
  lost: {
    told: {
      state: 'QuorumLost',
      available: 1,
      training: {
        round: 2,
        attempt: 3,
        state: 'QuorumLost',
        pauseUntil: '2026-11-24T08:00:00Z',
        clients: { total: 3, available: 1, absent: [{ name: 'site-b', outcome: 'Unreachable' }] },
      },
    },
    says: `lost/lost  QuorumLost for 3h  round 2 of 3, attempt 3
  A round ended below its quorum; the next attempt begins when enough clients are available.

Conditions
  Ready            False  QuorumLost        3h
  Suspended        False  NotSuspended      3h
  Complete         False  NotComplete       3h
  Failed           False  NotFailed         3h
  QuorumAvailable  False  NotEnoughClients  3h

Clients: 1 of 3 are available, at least 2 are needed
  site-a  Present
  site-b  Unreachable  pending, 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.
  site-c  Suspended

Waits for
  2026-11-24T08:00:00Z: no attempt starts before, because too few clients were available
  clients: site-b

Record
  s3://models/lost/lost/UID
`,
  },
  suspended: {
    told: { state: 'Suspended', spec: { suspend: true } },
    says: `suspended/suspended  Suspended for 3h  round 0 of 3
  The job is suspended; set spec.suspend to false to resume it.

Conditions
  Ready            False    Suspended    3h
  Suspended        True     Suspended    3h
  Complete         False    NotComplete  3h
  Failed           False    NotFailed    3h
  QuorumAvailable  Unknown  Suspended    3h

Clients: at least 2 are needed
  site-a  Suspended
  site-b  Suspended
  site-c  Suspended

Waits for
  spec.suspend to be false

Record
  s3://models/suspended/suspended/UID
`,
  },
  complete: {
    told: {
      state: 'Complete',
      training: {
        round: 3,
        attempt: 1,
        state: 'Complete',
        metrics: { dice: 0.93 },
        rounds: ROUNDS,
        output: {
          uri: 's3://models/complete/complete/6f3a/output',
          round: 3,
          digest: `sha256:${'9f86d081'.repeat(8)}`,
        },
      },
    },
    says: `complete/complete  Complete for 3h  round 3 of 3
  dice 0.9300
  All rounds are done; the output is written.

Conditions
  Ready      True   Complete      3h
  Suspended  False  NotSuspended  3h
  Complete   True   Complete      3h
  Failed     False  NotFailed     3h

Clients
  site-a  Over
  site-b  Over
  site-c  Over

Rounds
  round  attempt  updates  seconds    dice    loss
      1        1      3/3     41.5  0.8000  0.7100
      2        2      2/3   1640.3  0.9120  0.4213

Record
  s3://models/complete/complete/UID

Output
  s3://models/complete/complete/6f3a/output
  the model of round 3, sha256:9f86d0819f86d0819f86d0819f86d0819f86d0819f86d0819f86d0819f86d081
  kubectl fedsam export fj/complete -n complete --to FOLDER
`,
  },
  failed: {
    told: {
      state: 'Failed',
      message:
        'Three attempts in a row were abandoned: too few updates came. Correct what the clients say, and create a new job with resumeFrom.',
      training: {
        round: 2,
        attempt: 3,
        state: 'Failed',
        rounds: [{ round: 1, attempt: 1, cohort: 3, accepted: 3, seconds: 2 }],
        clients: {
          absent: [
            {
              name: 'site-a',
              outcome: 'Failed',
              reason: 'TrainerFailed',
              message: 'CUDA error: out of memory',
            },
          ],
        },
      },
    },
    says: `failed/failed  Failed for 3h  round 2 of 3, attempt 3
  Three attempts in a row were abandoned: too few updates came. Correct what the clients say, and
  create a new job with resumeFrom.

Conditions
  Ready      False  TooManyFailedRounds  3h
  Stalled    True   TooManyFailedRounds  3h
  Suspended  False  NotSuspended         3h
  Complete   False  NotComplete          3h
  Failed     True   TooManyFailedRounds  3h

Clients
  site-a  Failed  TrainerFailed  CUDA error: out of memory
  site-b  Over
  site-c  Over

Rounds
  round  attempt  updates  seconds
      1        1      3/3      2.0

Record
  s3://models/failed/failed/UID
  to resume from the last finished round, write in a new job:
  resumeFrom: {prefix: s3://models/failed/failed/UID, round: 1}
`,
  },
}
