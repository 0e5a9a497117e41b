// What a terminal shows of an event: a line that stays, and the present activity below it.

/** The text of an event; `live` replaces the live line. */
export interface EventText {
  readonly said?: string
  readonly live?: string
}
