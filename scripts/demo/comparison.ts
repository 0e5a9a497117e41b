// The demo's one table: rows of mean Dice per site and over sites, as data for the report, as text for the terminal, and the
// sentence that sums it up. Pure.
import type { Comparison, ComparisonRow } from '#cli/report/facts.ts'

/** The ways to a mask that the demo compares, in the order of the table. `alone` is once per site. */
export const NAMES = {
  box: 'true box as the mask',
  ellipse: 'ellipse in the true box',
  pretrained: 'pretrained model',
  alone: (site: string): string => `trained on ${site} alone`,
  centralised: 'centralised training',
  federated: 'federated',
} as const

/** A row; where it was trained on one site alone, its mean is over the other sites. */
export function comparisonRow(
  sites: readonly string[],
  name: string,
  values: readonly number[],
  trainedOn?: string,
): ComparisonRow {
  const counted = values.filter((_, i) => sites[i] !== trainedOn)
  return {
    name,
    values,
    mean: counted.reduce((sum, value) => sum + value, 0) / counted.length,
    highlighted: name === NAMES.federated,
    ...(trainedOn === undefined ? {} : { trainedOn }),
  }
}

export function comparisonOf(sites: readonly string[], rows: readonly ComparisonRow[]): Comparison {
  return {
    caption: 'Held-out white matter: mean Dice',
    sites,
    rows,
    notes: [
      'Every model is asked with the true box. The mean is over the sites, each counting alike.',
      'Trained on one site alone: the value in brackets is its own site, the mean is over the other sites.',
      'Alone and centralised: as many passes over the images as the federated rounds make, same batches and learning rate.',
    ],
  }
}

/** The table as lines of plain text. */
export function comparisonLines({ caption, sites, rows }: Comparison): string[] {
  const first = Math.max(...rows.map(({ name }) => name.length))
  const width = Math.max(9, ...sites.map((site) => site.length + 2))
  const line = (name: string, cells: readonly string[], after = ''): string =>
    `  ${name.padEnd(first)}${cells.map((cell) => cell.padStart(width)).join('')}${after}`
  return [
    caption,
    line(
      '',
      [...sites, 'mean'].map((title) => `${title} `),
    ),
    ...rows.map(({ name, values, mean, trainedOn }) =>
      line(
        name,
        [
          ...values.map((value, i) =>
            sites[i] === trainedOn ? `(${value.toFixed(3)})` : `${value.toFixed(3)} `,
          ),
          `${mean.toFixed(3)} `,
        ],
        trainedOn === undefined ? '' : ' over the other sites',
      ),
    ),
  ]
}

/** Differences in mean Dice: the federated model's less the other's. */
export interface Gains {
  readonly overPretrained: number
  readonly overEllipse: number
  readonly overCentralised: number
  /** Each site counts alike: its other is the mean over the models that were trained on one other site. */
  readonly overAlone: number
}

export function gainsOf({ rows }: Comparison): Gains {
  const mean = (name: string): number => rows.find((row) => row.name === name)!.mean
  const alone = rows.filter(({ trainedOn }) => trainedOn !== undefined)
  const federated = mean(NAMES.federated)
  return {
    overPretrained: federated - mean(NAMES.pretrained),
    overEllipse: federated - mean(NAMES.ellipse),
    overCentralised: federated - mean(NAMES.centralised),
    overAlone: federated - alone.reduce((sum, row) => sum + row.mean, 0) / alone.length,
  }
}

/** What was gained, in one line. */
export function gainLine({ overPretrained, overEllipse, overCentralised, overAlone }: Gains): string {
  return [
    `Federated: ${signed(overPretrained)} Dice against the pretrained model`,
    `${signed(overEllipse)} against the ellipse`,
    `${signed(overAlone)} against models trained on one other site`,
    `${signed(overCentralised)} against centralised training`,
  ].join(', ')
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`
}
