// What the tests of the report share: facts of a run that went wrong in every way, and a reader that finds a page malformed.
import type { RunFacts, SitePictures } from '#cli/report/facts.ts'

const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYPj/HwADAgH/5ncDNgAAAABJRU5ErkJggg=='

export const TROUBLED: RunFacts = {
  job: '<b>"troubled" & co</b>',
  state: 'Failed',
  message: 'no quorum: see https://example.org',
  about: [['Clients', 'site-a, <script>']],
  clients: ['site-a', '<script>'],
  curves: [
    {
      title: 'dice',
      subtitle: 'held out',
      mean: [
        { round: 0, value: 0.5 },
        { round: 1, value: 0.75 },
      ],
      clients: [
        { client: 'site-a', points: [{ round: 0, value: 0.5 }] },
        { client: '<script>', points: [] },
      ],
    },
    { title: 'empty', subtitle: '', mean: [], clients: [] },
  ],
  attempts: [
    {
      round: 1,
      attempt: 1,
      kind: 'Train',
      abandoned: 'QuorumNotReached: 1 of 2',
      accepted: [],
      notEvaluated: [],
      outliers: [],
      limited: [],
      others: [{ client: 'site-a', outcome: 'Late', reason: '', message: '' }],
      metrics: {},
      seconds: null,
    },
    {
      round: 1,
      attempt: 2,
      kind: 'Train',
      abandoned: '',
      accepted: [{ client: 'site-a', numExamples: 1234, bytes: 636520 }],
      notEvaluated: [
        { client: 'site-a', outcome: 'Failed', reason: 'TrainerFailed', message: 'no <layer>' },
        { client: 'site-y', outcome: 'Nothing', reason: '', message: '' },
        { client: '<script>', outcome: 'Rejected', reason: 'NotFinite', message: '' },
      ],
      outliers: [{ client: '<b>x', measure: 'Norm', value: 123456, median: 2 }],
      limited: [
        {
          client: 'site-a',
          outcome: 'Accepted',
          reason: 'Limited',
          message: 'its norm of 9 is clipped to 1 < 2',
        },
      ],
      others: [
        { client: '<script>', outcome: 'Rejected', reason: 'NotFinite', message: 'tensor "w" holds NaN' },
        { client: 'site-z', outcome: 'NotSelected', reason: '', message: '' },
      ],
      metrics: { train_loss: 0.25 },
      seconds: 1.25,
    },
  ],
}

export const PICTURES: SitePictures[] = [
  {
    client: 'site-a',
    pictures: [
      {
        stem: 'a<1>',
        width: 10,
        height: 8,
        image: PIXEL,
        truth: PIXEL,
        predictions: [{ model: 'federated', dice: 0.876, overlay: PIXEL }],
      },
    ],
  },
]

const VOID = new Set(['meta', '!doctype'])

/** The first tag that is not closed, or closes what is not open; undefined where all is well. */
export function malformedTag(page: string): string | undefined {
  const open: string[] = []
  const content = page.replace(/<style>[\s\S]*?<\/style>/g, '<style></style>')
  for (const [tag, slash, name, self] of content.matchAll(/<(\/?)([!\w]+)(?:"[^"]*"|[^>"])*?(\/?)>/g)) {
    if (slash === '/') {
      if (name !== open.pop()) return tag
    } else if (self !== '/' && !VOID.has(name!)) open.push(name!)
  }
  return open.pop()
}
