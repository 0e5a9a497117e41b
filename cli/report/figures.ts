// Formats numbers for people. Pure.

/** 636520 → "637 kB". */
export function byteText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ${units[unit]}`
}

/** A metric with four significant digits at most: 0.8014, 12.3, 1.2e-6. */
export function metricText(value: number): string {
  const size = Math.abs(value)
  if (value !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2)
  return size >= 100 ? value.toFixed(1) : value.toFixed(4)
}

/**
 * Round numbers that cover low to high, both ends inside, about `wanted` of them: steps of 1, 2 or 5 times a power of ten.
 * A single value gets a range around it.
 */
export function ticks(low: number, high: number, wanted: number): number[] {
  const span = high > low ? high - low : Math.max(Math.abs(high), 1) * 0.1
  const rough = span / wanted
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999)!
  const first = Math.floor(low / step + 1e-9)
  const last = Math.max(Math.ceil(high / step - 1e-9), first + 1)
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step)
}

/** A tick's label, with the decimals that its step needs. */
export function tickText(value: number, step: number): string {
  if (step >= 1e6 || step < 1e-5) return value.toExponential(1)
  return value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))
}
