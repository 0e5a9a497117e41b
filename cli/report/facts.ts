// The types of a report's content, as plain data. record-facts.ts and pictures.ts gather it; page.ts converts it to HTML. These
// files do not import each other.
import type { Outlier } from '#protocol/outliers.ts'
import type { ClientOutcome, NotEvaluated } from '#protocol/record.ts'

/** A run, as its record describes it. */
export interface RunFacts {
  readonly job: string
  readonly state: 'Complete' | 'Failed' | 'Unfinished'
  /** One sentence where the state needs one. */
  readonly message: string
  /** Label and value, in the order in which they are shown. */
  readonly about: readonly (readonly [string, string])[]
  /** Names of the clients, in the roster's order. */
  readonly clients: readonly string[]
  readonly curves: readonly Curve[]
  readonly attempts: readonly AttemptFacts[]
}

/** One number over the rounds. */
export interface Curve {
  readonly title: string
  readonly subtitle: string
  /** Over all clients, weighted by examples. */
  readonly mean: readonly Point[]
  /** In the order of RunFacts.clients; a client without values has no points. */
  readonly clients: readonly { readonly client: string; readonly points: readonly Point[] }[]
}

export interface Point {
  readonly round: number
  readonly value: number
}

/** One attempt at a round. */
export interface AttemptFacts {
  readonly round: number
  readonly attempt: number
  readonly kind: 'Train' | 'Evaluate'
  /** Empty for a closed attempt; otherwise the reason why it was abandoned. */
  readonly abandoned: string
  readonly accepted: readonly AcceptedUpdate[]
  /** The accepted clients that count with fewer examples than they report, or with a clipped norm. */
  readonly limited: readonly ClientOutcome[]
  /** The clients whose norm or loss is far above those of the others. */
  readonly outliers: readonly Outlier[]
  /** The clients whose update does not count, NotSelected included. */
  readonly others: readonly ClientOutcome[]
  /** The clients that were to evaluate the attempt's starting model and returned no measurement. */
  readonly notEvaluated: readonly NotEvaluated[]
  /** Training metrics over the accepted updates, weighted by examples. */
  readonly metrics: Readonly<Record<string, number>>
  /** Null where the record does not store it (abandoned attempts). */
  readonly seconds: number | null
}

export interface AcceptedUpdate {
  readonly client: string
  /** The examples that count. */
  readonly numExamples: number
  /** Size of the update; null where its receipt no longer exists. */
  readonly bytes: number | null
}

/** One held-out image of a site. Overlays are as large as the image. */
export interface HeldOutPicture {
  readonly stem: string
  readonly width: number
  readonly height: number
  /** data: URIs of PNG files. */
  readonly image: string
  readonly truth: string
  readonly predictions: readonly { readonly model: string; readonly dice: number; readonly overlay: string }[]
}

export interface SitePictures {
  readonly client: string
  readonly pictures: readonly HeldOutPicture[]
}

/** Pictures, or the reason why the report has none. */
export type Pictures =
  | { readonly sites: readonly SitePictures[]; readonly prompts: 'Box' | 'Points' }
  | { readonly absent: string }

/** One measure for several ways to produce a mask. Only a demo adds it. */
export interface Comparison {
  readonly caption: string
  readonly sites: readonly string[]
  readonly rows: readonly ComparisonRow[]
  /** Sentences below the table. */
  readonly notes: readonly string[]
}

export interface ComparisonRow {
  readonly name: string
  /** As Comparison.sites. */
  readonly values: readonly number[]
  /** The only site whose data trained the model, if there is only one: the table marks that site's value. */
  readonly trainedOn?: string
  /** The mean over the sites. For a model of one site, the mean over the other sites. */
  readonly mean: number
  readonly highlighted: boolean
}
