// A machine whose clock is wrong: loaded before a program by `node --import`, it shifts every date that the program reads. The seconds
// come by FEDSAM_TEST_SECONDS_AHEAD. At each SIGCONT the clock is FEDSAM_TEST_SECONDS_ASLEEP further, as after a laptop's suspend: the
// monotonic clock does not count that time. Certificates of TLS stay with the system's clock.
const Real = Date
let ahead = 1000 * Number(process.env.FEDSAM_TEST_SECONDS_AHEAD ?? 0)
const asleep = 1000 * Number(process.env.FEDSAM_TEST_SECONDS_ASLEEP ?? 0)

class ShiftedDate extends Real {
  constructor(...parts: ConstructorParameters<typeof Date> | []) {
    if (parts.length === 0) super(ShiftedDate.now())
    else super(...parts)
  }

  static override now(): number {
    return Real.now() + ahead
  }
}

globalThis.Date = ShiftedDate as DateConstructor
process.on('SIGCONT', () => {
  ahead += asleep
})
