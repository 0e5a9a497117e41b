// What a report shows, as plain data. record-facts.ts and pictures.ts gather it, page.ts turns it into HTML; neither knows the
// other.
import type { ClientOutcome, NotEvaluated } from '#protocol/record.ts'

/** A run, as its record tells it. */
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
  /** Empty where it was closed; else why it was abandoned. */
  readonly abandoned: string
  readonly accepted: readonly AcceptedUpdate[]
  /** Everyone whose update does not count, NotSelected included. */
  readonly others: readonly ClientOutcome[]
  /** Everyone who was asked to evaluate the model that the attempt started from and measured nothing. */
  readonly notEvaluated: readonly NotEvaluated[]
  /** Training metrics over the accepted updates, weighted by examples. */
  readonly metrics: Readonly<Record<string, number>>
  /** Null where the record does not hold it (abandoned attempts). */
  readonly seconds: number | null
}

export interface AcceptedUpdate {
  readonly client: string
  readonly numExamples: number
  /** Of the update; null where its receipt is gone. */
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

/** Pictures, or why there are none. */
export type Pictures =
  | { readonly sites: readonly SitePictures[]; readonly prompts: 'Box' | 'Points' }
  | { readonly absent: string }

/** The same measure for several ways to get a mask; a demo adds it. */
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
  /** The site that it was trained on, where that is one alone: its own value is set apart. */
  readonly trainedOn?: string
  /** Over the sites; over the other sites where it was trained on one alone. */
  readonly mean: number
  readonly highlighted: boolean
}
